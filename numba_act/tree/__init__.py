"""A scalar function as a small expression tree: built from source or by calling it, emitted for LLVM, evaluated by NumPy."""
