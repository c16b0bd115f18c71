"""Which images there are, what they are called, and how their bytes become pixels."""
