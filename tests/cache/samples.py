"""Rows whose values tell which image and view they are of, and shards that are forged."""

import hashlib
from pathlib import Path

import h5py
import numpy as np

from pipeline.bases.table import Preprocessing
from pipeline.cache.recipe import SCHEMA, Recipe
from pipeline.cache.shard import shard_name
from pipeline.cache.store import Store, row_keys
from pipeline.images.decoding.decoder import Decoder

RECIPE = Recipe(
    "vgg16",
    Decoder(150, "bilinear"),
    Preprocessing("native", "BGR", offset=(-103.939, -116.779, -123.68)),
    "ab" * 32,
    "block5_pool",
)
HALF = Recipe(
    "vgg16", Decoder(150, "bilinear"), Preprocessing("native", "BGR"), "ab" * 32, "block5_pool", dtype="float16"
)
SHAPE = (2, 2, 5)


def digest_of(number: int) -> bytes:
    """The SHA-256 of an image."""
    return hashlib.sha256(f"image {number}".encode()).digest()


def make_keys(numbers, view: int = 0):
    """Keys of these images."""
    return row_keys([digest_of(number) for number in numbers], view)


def make_rows(numbers, view: int = 0, shape: tuple[int, ...] = SHAPE):
    """Features like those of a ReLU, half zeros; the row of an image and view is always the same."""
    rows = [np.random.default_rng([number, view]).normal(size=shape) for number in numbers]
    return np.maximum(np.stack(rows), 0).astype(np.float32)


def fill(store: Store, *batches, view: int = 0) -> list[Path]:
    """One shard for each batch of image numbers."""
    return [store.append(make_keys(numbers, view), make_rows(numbers, view), {"engine": "test"}) for numbers in batches]


def damage(path: Path, position: int, mask: int = 0x01) -> None:
    """Flip bits of one byte in place."""
    data = bytearray(path.read_bytes())
    data[position] ^= mask
    path.write_bytes(data)


def seal(path: Path) -> Path:
    """Give a forged file the name that its bytes ask for."""
    return path.replace(path.with_name(shard_name(path.read_bytes())))


def forge(folder: Path, write=lambda file: None, *, without: str = "", recipe: Recipe = RECIPE, count: int = 4) -> Path:
    """A file of a shard's name and layout but for what `write` adds in the place of `without`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "forged"
    keys = np.frombuffer(make_keys(range(count)).tobytes(), np.uint8).reshape(count, 33)
    plain = {"digest": keys[:, :32], "view": keys[:, 32], "features": make_rows(range(count)).astype(recipe.dtype)}
    with h5py.File(path, "w") as file:
        file.attrs.update(
            {"schema": SCHEMA, "fingerprint": np.bytes_(recipe.fingerprint), "provenance": np.bytes_("{}")}
        )
        for name, data in plain.items():
            if name != without:
                file.create_dataset(name, data=data, chunks=data.shape, fletcher32=True)
        write(file)
    return seal(path)


def snapshot(folder: Path) -> dict:
    """All files below a folder, with their bytes."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
