"""Write a run as one file: pixels in, probabilities out, with labels and a description inside; and predict with such a file."""
