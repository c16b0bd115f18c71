"""Images that are damaged, huge, oddly named or changed: the bad ones are listed, the good ones have the right rows."""

import io
import os
import resource
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.cache.store import Store, row_keys
from pipeline.errors import PipelineError
from pipeline.images.files.hashing import FileHashes
from tests.calls import read as scan
from tests.conftest import COLOURS, draw_photo, draw_tree
from tests.faults.child import SMALL, Averages, run
from tests.images.decoding.test_decoder import encode, png_header
from tests.images.samples import png_of

PICTURE = Image.linear_gradient("L").resize((24, 20))


def _jpeg(mode: str = "RGB", **options: object) -> bytes:
    return encode(PICTURE.convert(mode), "JPEG", **options)


BAD: dict[str, bytes] = {
    "cut at a tenth.jpg": _jpeg()[: len(_jpeg()) // 10],
    "cut at a half.jpg": _jpeg()[: len(_jpeg()) // 2],
    "cut at the end.jpg": _jpeg()[: len(_jpeg()) * 99 // 100],
    "empty.jpg": b"",
    "a page.jpg": b"<!doctype html><title>404</title>",
    "a postscript.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "a fits.jpg": b"SIMPLE  =                    T" + b" " * 2850,
    "promises 50,000 x 50,000.png": png_header(50_000, 50_000),
    "truly 30,000 x 30,000.png": png_of((30_000, 30_000, 1, 0), [bytes(3750)] * 30_000),
}
GOOD: dict[str, bytes] = {
    "is a png.jpg": encode(PICTURE.convert("RGB"), "PNG"),
    "four inks.jpg": _jpeg("CMYK"),
    "sixteen bits.png": encode(Image.fromarray(np.arange(480, dtype=np.uint16).reshape(20, 24) * 100), "PNG"),
    "palette.png": encode(PICTURE.convert("RGBA").quantize(16), "PNG", transparency=0),
    "turned.jpg": _jpeg(exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"),
    "moves.gif": encode(PICTURE, "GIF", save_all=True, append_images=[Image.new("L", (24, 20))]),
    "one pixel.png": encode(Image.new("RGB", (1, 1), "red"), "PNG"),
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """20 photographs that a test may change."""
    return draw_tree(tmp_path / "data", {"": 10})


def test_bad_images_are_listed_and_the_others_right(tree: Path, cache: Path):
    """Each bad one is skipped with a reason; each odd one has the row of its own pixels."""
    for name, data in (BAD | GOOD).items():
        (tree / "red" / name).write_bytes(data)
    done = run(tree, cache, Averages())

    assert {entry.path for entry in done.manifest.skipped} == {f"red/{name}" for name in BAD}
    assert all(entry.reason for entry in done.manifest.skipped)
    assert done.num_rows == 20 + len(GOOD)
    for row, name in enumerate(done.manifest.names):
        pixels = SMALL.decoder.decode((tree / name).read_bytes())
        stored = done.store.read(row_keys([done.manifest.digests[row]]))
        np.testing.assert_array_equal(stored, Averages().features(pixels[None]))


def test_bomb_costs_neither_time_nor_memory(cache: Path, tree: Path):
    """An image of 900 million pixels in a small file is refused before it is unpacked."""
    (tree / "red" / "bomb.png").write_bytes(BAD["truly 30,000 x 30,000.png"])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    done = run(tree, cache, Averages())

    assert "900,000,000 pixels" in done.manifest.skipped[0].reason
    assert time.perf_counter() - start < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB; unpacked it would be 900 MB


def _link_out(folder: Path) -> None:
    outside = draw_photo(folder.parents[1] / "outside" / "secret.png", (1, 2, 3), 99)
    (folder / "up").symlink_to(outside.parent)


def _loops(folder: Path) -> None:
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "round").symlink_to(folder)


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe.png")


def _folder(folder: Path) -> None:
    (folder / "folder.png").mkdir()


def _not_unicode(folder: Path) -> None:
    shutil.copy(folder / "red000.png", os.fsencode(folder) + b"/caf\xe9.png")


TRAPS = {
    "a link to a folder out of the tree": (_link_out, 1),
    "links in a circle": (_loops, 2),
    "a pipe": (_pipe, 1),
    "a folder named like an image": (_folder, 0),
    "a name that is not Unicode": (_not_unicode, 1),
}


@pytest.mark.parametrize("kind", TRAPS)
def test_traps_in_the_tree_are_refused(kind: str, tree: Path, cache: Path):
    """None of them hangs a scan or leads out of it; each is listed where it looks like an image."""
    make, num_skipped = TRAPS[kind]
    make(tree / "red")
    done = run(tree, cache, Averages())

    assert done.num_rows == 20
    assert len(done.manifest.skipped) == num_skipped


@pytest.mark.parametrize(
    "name",
    [
        "line\nbreak.png",
        "\u202eevil.png",
        "é" * 120 + ".png",
        "x" * 251 + ".png",
        "-rf.png",
        "RED000.PNG",
        "a b'\".png",
    ],
)
def test_odd_names_are_names(name: str, tree: Path, cache: Path):
    """The image is read, and called what it is called."""
    draw_photo(tree / "red" / "new.png", COLOURS["red"], 77)
    (tree / "red" / "new.png").rename(tree / "red" / name)
    done = run(tree, cache, Averages())

    assert f"red/{name}" in done.manifest.names
    assert done.num_rows == 21


def _edit(tree: Path) -> None:
    """Other bytes of the same length, and the old times put back."""
    path = tree / "red" / "red000.png"
    stat, data = path.stat(), bytearray(path.read_bytes())
    image = Image.open(io.BytesIO(data)).convert("RGB")
    for seed in range(200):
        image.putpixel((seed % 50, seed % 40), (seed, 0, 0))
        other = encode(image, "PNG")
        if len(other) <= len(data):
            break
    path.write_bytes(other + b"\0" * (len(data) - len(other)))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_size == stat.st_size


def _exchange(tree: Path) -> None:
    first, second = tree / "red" / "red000.png", tree / "blue" / "blue000.png"
    first.rename(tree / "aside")
    second.rename(first)
    (tree / "aside").rename(second)


CHANGES: dict[str, tuple[Callable[[Path], object], int]] = {
    "edited in place, size and time kept": (_edit, 1),
    "two exchanged": (_exchange, 0),
    "a folder renamed": (lambda tree: (tree / "red").rename(tree / "crimson"), 0),
    "one deleted": (lambda tree: (tree / "red" / "red000.png").unlink(), 0),
    "one copied": (lambda tree: shutil.copy(tree / "red" / "red000.png", tree / "red" / "copy.png"), 0),
    "one added": (lambda tree: draw_photo(tree / "red" / "new.png", (5, 5, 5), 5), 1),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_only_new_content_is_computed(kind: str, tree: Path, cache: Path, tmp_path: Path):
    """With remembered hashes, too: each image has the row of the bytes that it holds now."""
    hashes = FileHashes(tmp_path / "hashes.sqlite")
    old = time.time_ns() - 10 * 10**9
    for path in tree.rglob("*.png"):
        os.utime(path, ns=(old, old))
    scan(tree, hashes=hashes)
    run(tree, cache, Averages())
    change, num_new = CHANGES[kind]
    change(tree)
    done = run(tree, cache, Averages())
    remembered = scan(tree, hashes=hashes)

    assert done.num_new == num_new
    assert remembered.digests == done.manifest.digests
    for row, name in enumerate(done.manifest.names):
        pixels = SMALL.decoder.decode((tree / name).read_bytes())
        stored = Store(cache, SMALL).read(row_keys([remembered.digests[row]]))
        np.testing.assert_array_equal(stored, Averages().features(pixels[None]))


def test_tree_of_nothing_but_damage_is_an_error_that_says_so(tmp_path: Path, cache: Path):
    """Every image is listed, no row is made, and the scan of an empty tree explains the layout."""
    for name, data in BAD.items():
        path = tmp_path / "bad" / "red" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "nothing").mkdir()
    done = run(tmp_path / "bad", cache, Averages())

    assert (done.num_rows, done.num_new, len(done.manifest.skipped)) == (0, 0, len(BAD))
    with pytest.raises(PipelineError, match="No image below"):
        scan(tmp_path / "nothing")
