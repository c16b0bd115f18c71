"""Dense heads in Keras: built, fed with batches, trained."""
