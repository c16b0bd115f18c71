"""Draw where a head looked: it learns parts of two photos that come with scikit-learn, and is shown both in one image.

python docs/pictures/evidence.py
"""

import tempfile
from pathlib import Path

import numpy as np
from panel import GREY, INK, PAPER, font, save
from PIL import Image, ImageDraw
from sklearn.datasets import load_sample_image

import pipeline

PHOTOS = {"flower": "flower.jpg", "temple": "china.jpg"}
SIDE, GAP, MARGIN, HEADING, SHOWN = 160, 10, 14, 34, 300
HEADS = {
    "a linear head: exact": ("logreg", None),
    "its rows cut earlier": ("logreg", "fire5_concat"),
    "a dense head: gradient": ("dense:64,relu", None),
}


def write_parts(folder: Path) -> None:
    """Squares from random places of the photos, by class and split."""
    rng = np.random.default_rng(0)
    for label, name in PHOTOS.items():
        photo = Image.fromarray(load_sample_image(name))
        for split, count in (("train", 60), ("validation", 20)):
            (folder / split / label).mkdir(parents=True)
            for number in range(count):
                side = int(rng.integers(120, 300))
                left, top = rng.integers(photo.width - side), rng.integers(photo.height - side)
                part = photo.crop((left, top, left + side, top + side)).resize((SIDE, SIDE))
                part.save(folder / split / label / f"{number}.png")


def compose(path: Path) -> None:
    """The flower between three parts of the temple."""
    flower, temple = (Image.fromarray(load_sample_image(name)) for name in PHOTOS.values())
    image = temple.resize((2 * SIDE, 2 * SIDE))
    image.paste(flower.crop((150, 40, 500, 390)).resize((SIDE, SIDE)), (SIDE, 0))
    image.save(path)


def main() -> None:
    """Write evidence.png beside this script."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write_parts(folder / "parts")
        compose(folder / "both.png")
        shared = {
            "base": "squeezenet",
            "size": SIDE,
            "cache": folder / "cache",
            "runs": folder / "runs",
            "plots": False,
        }
        overlays = []
        for head, cut in HEADS.values():
            run = pipeline.fit(folder / "parts", head, cut=cut, **shared)
            overlays.append(pipeline.explain(run, folder / "both.png", of="flower").draw(0))
        width, height = SHOWN, round(SHOWN * overlays[0].height / overlays[0].width)
        tiles = [
            Image.open(folder / "both.png").resize((SHOWN, SHOWN)),
            *(each.resize((width, height)) for each in overlays),
        ]
    sheet = Image.new("RGB", (2 * MARGIN + 4 * SHOWN + 3 * GAP, 2 * MARGIN + HEADING + height), PAPER)
    pen = ImageDraw.Draw(sheet)
    for place, (tile, title) in enumerate(zip(tiles, ("the image", *HEADS), strict=True)):
        left = MARGIN + place * (SHOWN + GAP)
        pen.text((left, MARGIN), title, INK if place else GREY, font(20))
        sheet.paste(tile, (left, MARGIN + HEADING))
    save(sheet, Path(__file__).with_suffix(".png"))


if __name__ == "__main__":
    main()
