"""Where in an image a head looked, from its rows alone."""
