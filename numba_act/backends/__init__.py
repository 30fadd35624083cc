"""Where kernels run: dispatch chooses between NumPy's arrays (cpu), CuPy's (cuda) and what holds either."""
