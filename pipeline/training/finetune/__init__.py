"""Training of tail and head behind a frozen trunk, on cached rows or live images. End to end: the tail is empty."""
