"""What tests of plots look at, and names that are hard to draw."""

import numpy as np
from PIL import Image

ODD_NAMES = (
    "a class whose name is much longer than any plot has room for, and then some",
    "$x_$",
    "100$ and $200",
    r"\frac{a}",
    "猫",
    "\N{DOG FACE}",
    "line\nbreak",
    "",
)


def pixels(path):
    """Grey values of a PNG file, (H, W)."""
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("L"))


def is_drawn(grey):
    """Something dark on much white, and nothing that touches the border."""
    edge = np.concatenate([grey[:2].ravel(), grey[-2:].ravel(), grey[:, :2].ravel(), grey[:, -2:].ravel()])
    return (grey > 240).mean() > 0.3 and (grey < 128).mean() > 0.002 and edge.min() > 200
