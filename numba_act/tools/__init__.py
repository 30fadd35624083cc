"""Tools about the library, which computes without them: benchmark, accuracy, demo, and what a machine has."""
