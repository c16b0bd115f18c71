"""Small sets of images and rows for the tests of this room."""

import numpy as np

from pipeline.insight.whole import Whole
from pipeline.tasks.classification import Classification


def make_whole(num_images=24, num_features=6, num_classes=3, blocks=None, num_views=0, seed=3):
    """Overlapping clouds, with noisy copies as views."""
    rng = np.random.default_rng(seed)
    y = np.arange(num_images) % num_classes
    centres = rng.normal(size=(num_classes, num_features))
    X = (centres[y] + rng.normal(size=(num_images, num_features))).astype(np.float32)
    views = [X + rng.normal(scale=0.3, size=X.shape).astype(np.float32) for _ in range(num_views)]
    owners = np.tile(np.arange(num_images), num_views + 1)
    names = tuple("abcdefg"[:num_classes])
    own = np.arange(num_images) if blocks is None else np.asarray(blocks)
    return Whole(Classification(names), np.concatenate([X, *views]), y, owners, own)
