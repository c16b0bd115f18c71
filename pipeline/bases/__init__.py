"""Pretrained convolutional networks without their tops: which there are, their weights, and where to cut them."""

from pipeline.progress import is_notebook
from pipeline.quiet import quiet_tensorflow
from pipeline.surroundings import shield_keras

shield_keras()  # before any module of this room, or of one that builds on it, imports Keras
if is_notebook():
    quiet_tensorflow(own_program=False)
