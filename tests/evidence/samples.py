"""Small heads and grids."""

import numpy as np

from pipeline.stage_two.linear.heads import LinearHead


def make_grid(num_images=5, height=3, width=4, channels=6, seed=1):
    """Cells as after a ReLU: some are 0, in some channels all of an image."""
    cells = np.random.default_rng(seed).normal(size=(num_images, height, width, channels))
    cells[0, ..., 0] = -1
    return np.maximum(cells, 0).astype(np.float32)


def make_head(num_features, num_outputs=3, *, link="softmax", norm="none", temperature=1.7, seed=2):
    """A linear head with a centre and scales."""
    rng = np.random.default_rng(seed)
    return LinearHead(
        rng.normal(size=num_features).astype(np.float32),
        rng.uniform(0.5, 2, num_features).astype(np.float32),
        rng.normal(size=(num_features, num_outputs)).astype(np.float32),
        rng.normal(size=num_outputs).astype(np.float32),
        temperature,
        link,
        norm,
    )


def ask_for(output, num_images, num_outputs=3):
    """One output of each image."""
    return np.tile(np.eye(num_outputs)[output], (num_images, 1))
