"""What came out: scores, run folders, pictures, exported models."""
