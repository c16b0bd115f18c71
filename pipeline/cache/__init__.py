"""The rows: what makes them, where they lie, and whether they are whole."""
