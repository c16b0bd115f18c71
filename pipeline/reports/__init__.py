"""One HTML page on runs, for people: what stands on it, as plain data, and the page itself."""
