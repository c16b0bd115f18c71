"""One HTML page on runs: what is gathered for it, as plain data, and the page itself."""
