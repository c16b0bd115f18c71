"""Tables: of paths to images, or with the images in them."""
