"""Draw what each named augmentation does to one image: the image itself, then views 1 to 4 as `features --views 4` stores them.

python docs/pictures/augmentations.py photos [--image cats/1.jpg]
"""

import argparse
import hashlib
from pathlib import Path

from panel import GREY, INK, PAPER, font, save
from PIL import Image, ImageDraw

import pipeline
from pipeline.images.augment import NAMED, ViewMaker
from pipeline.images.decoding.decoder import Decoder

CAPTIONS = {
    "flip": "mirrored, half of the time",
    "standard": "flip, 10° turn, 10 % zoom, 20 % light",
    "strong": "flip, 30° turn, shift, 30 % zoom, 40 % light",
    "overhead": "any way up, 10 % zoom, 20 % light",
}
TILE, GAP, HEADING, MARGIN = 148, 6, 40, 14
VIEWS = 4


def draw(data: bytes) -> Image.Image:
    """One row per augmentation."""
    pixels, digest = Decoder(TILE).decode(data), hashlib.sha256(data).digest()
    width = 2 * MARGIN + (VIEWS + 1) * TILE + VIEWS * GAP
    sheet = Image.new("RGB", (width, 2 * MARGIN + len(CAPTIONS) * (HEADING + TILE + GAP)), PAPER)
    pen = ImageDraw.Draw(sheet)
    for row, (name, caption) in enumerate(CAPTIONS.items()):
        top = MARGIN + row * (HEADING + TILE + GAP)
        maker = ViewMaker(NAMED[name])
        pen.text((MARGIN, top + 6), name, INK, font(23, bold=True))
        start = MARGIN + pen.textlength(name + "  ", font(23, bold=True))
        pen.text((start, top + 8), caption, GREY, font(20))
        for view in range(VIEWS + 1):
            tile = Image.fromarray(maker(pixels, digest, view))
            sheet.paste(tile, (MARGIN + view * (TILE + GAP), top + HEADING))
        pen.rectangle((MARGIN, top + HEADING, MARGIN + 84, top + HEADING + 21), fill=PAPER)
        pen.text((MARGIN + 4, top + HEADING + 1), "original", INK, font(17))
    return sheet


def main() -> None:
    """Write augmentations.png beside this script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a folder of images")
    parser.add_argument("--image", help="path inside the folder [default: the first image]")
    given = parser.parse_args()
    data = (given.data / given.image).read_bytes() if given.image else pipeline.scan(given.data).read(0)
    save(draw(data), Path(__file__).with_suffix(".png"))


if __name__ == "__main__":
    main()
