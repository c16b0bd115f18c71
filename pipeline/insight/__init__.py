"""What the rows know of the images: labels that may be wrong, copies, strange images, and what is alike."""
