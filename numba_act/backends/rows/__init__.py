"""Kernels over rows: what an element becomes depends on all numbers of its row.

program : what is compiled, from a function of one row
code : it as machine code of this CPU
cpu : a call on NumPy's arrays
"""
