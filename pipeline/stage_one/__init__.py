"""Stage one: images through the frozen trunk, once, into the store."""
