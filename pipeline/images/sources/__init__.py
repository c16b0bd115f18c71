"""Sources of images: each module reads one format and makes a manifest."""
