"""Kernels over rows: what an element becomes depends on all numbers of its row.

program : what is compiled, from a function of one row
passes : it as LLVM instructions
code : for this CPU, by vectors
ptx : for CUDA, by threads
cpu, cuda : a call on the arrays of NumPy or CuPy
dispatch : from the operands of a call to either
"""
