"""Pretrained convolutional networks without their tops: which there are, their weights, and where to cut them."""

from pipeline.surroundings import shield_keras

shield_keras()  # before any module of this room, or of one that builds on it, imports Keras
