"""Arrays of pixels: `.npz` files, and the data sets of other libraries."""
