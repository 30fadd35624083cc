"""What compiled code needs at run time: object files on disk, the shared driver, threads, recycled outputs."""
