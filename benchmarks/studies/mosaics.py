"""Mosaics of 2 x 2 images with several labels each: the classes that are present. They are made from any folder of small images by class.

    python benchmarks/studies/mosaics.py --data cifar10_small --out mosaics
    bottleneck head mosaics/mosaics.csv --label classes --base vgg16 --size 64
    bottleneck head mosaics/mosaics.csv --label airplane,cat,dog --size 64

The table has the classes as one field (`cat|dog`), and a column of 1 and 0 for each class. Images of the data's test split are tiles of
test mosaics alone, and a tile is in the mosaics of one split only.
"""

import argparse
import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

import pipeline
from pipeline.images.manifest import Manifest

TILE_PX = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    manifest = pipeline.scan(given.data, split="90/10")
    rng = np.random.default_rng(given.seed)
    shares = {"train": 0.8, "validation": 0.1, "test": 0.1}
    (given.out / "images").mkdir(parents=True, exist_ok=True)
    with (given.out / "mosaics.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["path", "split", "classes", *manifest.classes])
        for split, share in shares.items():
            part = manifest.split(split)
            for number in range(round(share * given.count)):
                rows = rng.choice(len(part), 4, replace=False)
                name = f"images/{split}-{number:05d}.png"
                mosaic(part, rows).save(given.out / name)
                present = sorted({str(part.labels[row]) for row in rows})
                table.writerow([name, split, "|".join(present), *(int(name in present) for name in manifest.classes)])
    print(f"{given.count:,} mosaics: {given.out / 'mosaics.csv'}")


def mosaic(part: Manifest, rows: Sequence[int]) -> Image.Image:
    """Four images side by side."""
    image = Image.new("RGB", (2 * TILE_PX, 2 * TILE_PX))
    for position, row in enumerate(rows):
        tile = Image.open(io.BytesIO(part.read(int(row)))).convert("RGB").resize((TILE_PX, TILE_PX))
        image.paste(tile, (position % 2 * TILE_PX, position // 2 * TILE_PX))
    return image


if __name__ == "__main__":
    main()
