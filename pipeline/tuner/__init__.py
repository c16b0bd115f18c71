"""A local page: choose a head, see it fitted at once on cached rows, and relabel images."""
