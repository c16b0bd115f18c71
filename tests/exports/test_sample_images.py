"""Which images an exported file and its run are compared on."""

import hashlib

import numpy as np

from pipeline.exports import sample_images as module
from pipeline.exports.sample_images import sample_images, synthetic_images
from pipeline.images.decoding.decoder import Decoder
from pipeline.runs.run import Run
from tests.conftest import draw_photo
from tests.reports.samples import make_run


def run_of(folder, rows, root):
    """A run on images below `root`, (path, split)."""
    entries = [(name, split, "a", b"", np.array([0.6, 0.4])) for name, split in rows]
    return Run(make_run(folder / "runs", "mine", rows=entries, root=root), head=None)


def test_own_images_come_first_and_synthetic_ones_fill_up(tmp_path, monkeypatch):
    """Validation before test before train; files that are gone or cannot be decoded are left out."""
    monkeypatch.setattr(module, "NUM_IMAGES", 5)
    rows = [(f"{split}.png", split) for split in ("train", "test", "validation")]
    expected = [
        draw_photo(tmp_path / f"{split}.png", (200, 40, 40), seed).read_bytes()
        for seed, split in enumerate(("validation", "test", "train"))
    ]
    (tmp_path / "broken.png").write_bytes(b"no image")
    rows += [("broken.png", "validation"), ("gone.png", "test")]
    images = sample_images(run_of(tmp_path, rows, str(tmp_path)), Decoder(24))

    assert images.num_own == 3
    assert list(images.encoded) == [*expected, *synthetic_images(2, 24)]
    np.testing.assert_array_equal(images.pixels, np.stack([Decoder(24).decode(data) for data in images.encoded]))


def test_images_that_are_gone_are_replaced_by_synthetic_ones(tmp_path, monkeypatch):
    """So are those of a run whose folder is gone or unknown."""
    monkeypatch.setattr(module, "NUM_IMAGES", 4)
    for root in (str(tmp_path / "gone"), None):
        images = sample_images(run_of(tmp_path, [("a.png", "test")], root), Decoder(24))

        assert images.num_own == 0
        assert len(set(images.encoded)) == 4


def test_only_files_that_the_run_knows_are_used(tmp_path, monkeypatch):
    """A run from elsewhere may name any file: another content is left out, and after a number of these no more are read."""
    monkeypatch.setattr(module, "NUM_IMAGES", 2)
    monkeypatch.setattr(module, "_MAX_MISSES", 3)
    data = draw_photo(tmp_path / "known.png", (200, 40, 40), 1).read_bytes()
    draw_photo(tmp_path / "other.png", (200, 40, 40), 2)

    def num_own(num_others):
        names = [("other.png", "validation")] * num_others + [("known.png", "train")]
        rows = [(name, split, "a", hashlib.sha256(data).digest(), np.array([0.6, 0.4])) for name, split in names]
        run = Run(make_run(tmp_path / "runs", f"with-{num_others}", rows=rows, root=str(tmp_path)), head=None)
        return sample_images(run, Decoder(24)).num_own

    assert [num_own(num_others) for num_others in (0, 2, 3)] == [1, 1, 0]


def test_own_images_are_capped(tmp_path, monkeypatch):
    """No more than are compared."""
    monkeypatch.setattr(module, "NUM_IMAGES", 2)
    for number in range(4):
        draw_photo(tmp_path / f"{number}.png", (200, 40, 40), number)
    images = sample_images(
        run_of(tmp_path, [(f"{number}.png", "train") for number in range(4)], str(tmp_path)), Decoder(24)
    )

    assert (images.num_own, len(images.encoded)) == (2, 2)


def test_synthetic_images_differ_and_are_always_the_same():
    """They have low to high contrast, need resizing, and fewer are the first of more."""
    files = synthetic_images(20, 24)
    pixels = np.stack([Decoder(24).decode(data) for data in files]).astype(float)
    contrast = pixels.std(axis=(1, 2)).mean(axis=1)

    assert synthetic_images(5, 24) == files[:5]
    assert len(set(files)) == 20
    assert contrast.min() < 15
    assert contrast.max() > 40
