"""A scalar function as an expression tree: built from source or by a call, emitted for LLVM, evaluated by NumPy."""
