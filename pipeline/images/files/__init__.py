"""Image files before they are opened: their kinds, their digests, and how large they may become."""
