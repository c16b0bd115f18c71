"""Pretrained convolutional networks without their tops: which there are, their weights, and where to cut them."""
