"""Dense heads in Keras: how they are built, where batches come from, and the training loop."""
