"""Functions that are no expression tree and that Numba compiles whole: what they reach, dual numbers, their kernels."""
