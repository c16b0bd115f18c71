"""A run as one file: pixels in, probabilities out, with labels and all that is needed to use it right."""
