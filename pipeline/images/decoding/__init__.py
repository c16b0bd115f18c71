"""From the bytes of an image to the pixels that a network takes, in the same way for every caller."""
