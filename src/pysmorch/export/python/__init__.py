"""Models as Python files that need NumPy alone."""
