"""Where images come from: each module turns one kind of data into a manifest."""
