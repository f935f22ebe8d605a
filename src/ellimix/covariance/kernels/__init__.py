"""The families' M-steps for loops that are compiled as a whole, on small problems."""
