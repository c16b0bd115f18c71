"""Images: which there are, their names, labels and splits, and how their bytes become pixels."""
