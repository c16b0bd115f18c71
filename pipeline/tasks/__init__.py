"""What is asked of the rows: one class for each image, several labels, or numbers."""
