"""Pretrained conv networks without their tops: which there are, their weights, and where to cut them."""
