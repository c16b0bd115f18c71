"""Write a run as one file: pixels in, probabilities or numbers out, with labels and a description inside; and predict with such a file."""
