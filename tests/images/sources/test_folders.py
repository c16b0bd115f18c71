"""Folder trees as people make them: with splits or without, with links, pipes and odd names."""

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

from pipeline.errors import DataLayoutError
from pipeline.images.hashing import FileHashes, sha256_file
from pipeline.images.manifest import Manifest, Skipped
from pipeline.images.reading import Reading
from pipeline.images.sources.folders import scan_folder
from tests.conftest import draw_photo, draw_tree


def scan(root: Path, split: str = "80/10/10", seed: int = 0) -> Manifest:
    """The manifest of a folder."""
    return scan_folder(root, Reading(split=split, split_seed=seed))


def fill(root: Path, counts: dict[str, int]) -> Path:
    """Files below a root, so many in each folder. A manifest reads no pixels, so any bytes will do."""
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            (root / folder / f"{number:03d}.jpg").write_bytes(f"{folder} {number}".encode())
    return root


def splits_by_name(manifest: Manifest) -> dict[str, str]:
    """The split of each image."""
    return dict(zip(manifest.names, manifest.splits, strict=True))


def test_class_folders_give_labels(tmp_path):
    """The folder is the label, the path below the root is the name, and the SHA-256 of the file is the key."""
    root = draw_tree(tmp_path / "colours", {"": 3})
    manifest = scan(root)

    assert manifest.names == tuple(f"{label}/{label}{n:03d}.png" for label in ("blue", "red") for n in range(3))
    assert manifest.labels == ("blue",) * 3 + ("red",) * 3
    assert manifest.digests == tuple(sha256_file(root / name) for name in manifest.names)
    assert manifest.read(4) == (root / "red/red001.png").read_bytes()
    assert manifest.title == "colours"
    assert manifest.skipped == ()


def test_class_folders_are_split_by_percentages(tmp_path):
    """Without split folders all images are split, each class alike."""
    manifest = scan(fill(tmp_path, {"cat": 300, "dog": 300}), "70/20/10")
    counts = Counter(zip(manifest.labels, manifest.splits, strict=True))

    for label in ("cat", "dog"):
        assert 180 < counts[label, "train"] < 240
        assert 35 < counts[label, "validation"] < 85
        assert 10 < counts[label, "test"] < 55
    manifest.require_task()


@pytest.mark.parametrize(
    "names",
    [
        ("train", "validation", "test"),
        ("training", "val", "testing"),
        ("Train", "VALID", "Test"),
        ("TRAINING", "Validation", "TESTING"),
    ],
)
def test_split_folders_are_known_by_all_their_names(tmp_path, names):
    """The usual spellings of the three splits are understood, and their folders are no labels."""
    manifest = scan(fill(tmp_path, {f"{name}/{label}": 2 for name in names for label in ("cat", "dog")}))

    assert manifest.classes == ("cat", "dog")
    for split, name in zip(("train", "validation", "test"), names, strict=True):
        assert manifest.split(split).names == tuple(
            f"{name}/{c}/{n}.jpg" for c in ("cat", "dog") for n in ("000", "001")
        )


def test_validation_is_cut_from_train_when_there_is_a_test_split(tmp_path):
    """Test images stay where they are; of the training images a share becomes validation."""
    manifest = scan(fill(tmp_path, {"train/cat": 100, "train/dog": 100, "test/cat": 9, "test/dog": 9}), "60/20/20")
    splits = splits_by_name(manifest)

    assert {split for name, split in splits.items() if name.startswith("test/")} == {"test"}
    assert 25 < Counter(splits.values())["validation"] < 75
    assert Counter(splits.values())["test"] == 18


def test_given_train_and_validation_are_left_alone(tmp_path):
    """Nothing is taken from splits that were made by hand, even without a test split."""
    manifest = scan(fill(tmp_path, {"train/cat": 40, "train/dog": 40, "val/cat": 9, "val/dog": 9}))

    assert Counter(manifest.splits) == {"train": 80, "validation": 18}


def test_lone_train_folder_is_split_in_three(tmp_path):
    """A tree with nothing but a training folder gets validation and test images out of it."""
    manifest = scan(fill(tmp_path, {"train/cat": 100, "train/dog": 100}))

    assert set(manifest.splits) == {"train", "validation", "test"}
    assert manifest.classes == ("cat", "dog")


def test_images_beside_the_split_folders_are_training_images(tmp_path):
    """Whatever lies outside the split folders can only be trained on; its folder is its label."""
    manifest = scan(fill(tmp_path, {"train/cat": 3, "val/cat": 3, "test/cat": 3, "dog": 3, "": 1}))
    splits = splits_by_name(manifest)

    assert splits["dog/000.jpg"] == splits["000.jpg"] == "train"
    assert dict(zip(manifest.names, manifest.labels, strict=True))["dog/000.jpg"] == "dog"
    assert Counter(splits.values()) == {"train": 7, "validation": 3, "test": 3}


def test_deeper_folders_do_not_matter(tmp_path):
    """The first folder below the split is the label, however deep the image lies."""
    manifest = scan(fill(tmp_path, {"train/cat/tabby/2019": 1, "train/dog": 1, "val/cat/test": 1, "val/dog/a/b/c": 1}))

    assert manifest.labels == ("cat", "dog", "cat", "dog")
    assert manifest.splits == ("train", "train", "validation", "validation")


def test_images_in_the_root_have_no_label(tmp_path):
    """A flat folder can be extracted, and the message of a head says how to label it."""
    manifest = scan(fill(tmp_path, {"": 4}))

    assert manifest.labels == (None,) * 4
    with pytest.raises(DataLayoutError, match=r"None of the 4 images has a label\."):
        manifest.require_task()


def test_hidden_and_foreign_files_are_not_looked_at(tmp_path):
    """Hidden files and folders, and files with other extensions, are neither images nor skipped ones."""
    fill(tmp_path, {"cat": 2, ".thumbnails/cat": 2, "cat/.cache": 2})
    for name in ("cat/._000.jpg", "cat/.DS_Store", "cat/notes.txt", "cat/jpg", "Thumbs.db"):
        (tmp_path / name).write_bytes(b"no image")
    manifest = scan(tmp_path)

    assert manifest.names == ("cat/000.jpg", "cat/001.jpg")
    assert manifest.skipped == ()


def test_extensions_are_known_in_any_case(tmp_path):
    """All extensions are read, in upper case as cameras write them."""
    names = sorted(["a.JPG", "b.jpeg", "c.PNG", "d.webp", "e.Bmp", "f.gif", "g.tif", "h.TIFF"])
    for name in names:
        (tmp_path / name).write_bytes(name.encode())

    assert scan(tmp_path).names == tuple(names)


def test_links_inside_the_tree_are_read_and_others_refused(tmp_path):
    """A link to a file is followed as long as it stays in the data folder."""
    root = fill(tmp_path / "data", {"cat": 1, "dog": 1})
    secret = draw_photo(tmp_path / "secret.png", (1, 2, 3), 0)
    (root / "cat/inside.jpg").symlink_to(root / "dog/000.jpg")
    (root / "cat/outside.png").symlink_to(secret)
    (root / "cat/relative.png").symlink_to("../../secret.png")
    (root / "cat/broken.png").symlink_to("nowhere.png")
    (root / "cat/loop.png").symlink_to("loop.png")
    (root / "cat/loop").symlink_to("loop")
    manifest = scan(root)

    assert manifest.names == ("cat/000.jpg", "cat/inside.jpg", "dog/000.jpg")
    assert manifest.digests[1] == manifest.digests[2]
    reasons = {item.path: item.reason for item in manifest.skipped}
    assert reasons["cat/outside.png"] == reasons["cat/relative.png"] == "symbolic link that leaves the data folder"
    assert reasons["cat/broken.png"] == "broken symbolic link"
    assert reasons["cat/loop.png"].startswith(("cannot be read: ", "broken symbolic link"))
    assert sha256_file(secret) not in manifest.digests


def test_linked_folders_are_not_entered(tmp_path):
    """A link to a folder, out of the tree or back to its root, is named with its path and left alone."""
    root = fill(tmp_path / "data", {"cat": 1, "dog": 1})
    fill(tmp_path / "elsewhere", {"": 3})
    (root / "cat/outside").symlink_to(tmp_path / "elsewhere")
    (root / "dog/endless.jpg").symlink_to(root)
    manifest = scan(root)

    assert manifest.names == ("cat/000.jpg", "dog/000.jpg")
    assert sorted(manifest.skipped, key=lambda item: item.path) == [
        Skipped("cat/outside", "symbolic link to a folder"),
        Skipped("dog/endless.jpg", "symbolic link to a folder"),
    ]


def test_pipe_named_like_an_image_does_not_hang(tmp_path):
    """A pipe is refused without being opened, and so is one behind a link; a folder named a.jpg is a folder."""
    root = fill(tmp_path, {"cat": 1, "cat/a.jpg": 1})
    os.mkfifo(root / "cat/pipe.jpg")
    (root / "cat/link.jpg").symlink_to("pipe.jpg")
    manifest = scan(root)

    assert manifest.names == ("cat/000.jpg", "cat/a.jpg/000.jpg")
    assert {item.path: item.reason for item in manifest.skipped} == {
        "cat/pipe.jpg": "not a regular file",
        "cat/link.jpg": "broken symbolic link",
    }


def test_odd_names_are_read_as_they_are(tmp_path):
    """Spaces, quotes, newlines, percent signs, other alphabets and names of 255 bytes are names like any other."""
    odd = [
        " leading.jpg",
        "a\nb.jpg",
        "a'b\"c.jpg",
        "100%.jpg",
        "猫.jpg",
        "e\u0301.jpg",
        "\u00e9.jpg",
        "x" * 251 + ".jpg",
    ]
    for label in ("большой кот", "dog, brown"):
        fill(tmp_path, {label: 0})
        for name in odd:
            (tmp_path / label / name).write_bytes(f"{label} {name}".encode())
    hashes = FileHashes(tmp_path / ".cache/file_hashes.sqlite")
    manifest = scan_folder(tmp_path, Reading(hashes=hashes))

    assert sorted(manifest.names) == sorted(f"{c}/{name}" for c in ("большой кот", "dog, brown") for name in odd)
    assert manifest.classes == ("dog, brown", "большой кот")
    assert all(manifest.read(row).decode() == manifest.names[row].replace("/", " ", 1) for row in range(16))


def test_name_that_is_not_unicode_is_skipped_with_an_escape(tmp_path):
    """Such a name could not be printed or stored, so its escape is."""
    fill(tmp_path, {"cat": 1})
    for name in (b"\xff\xfe.jpg", b"caf\xe9.png"):
        Path(os.fsdecode(os.fsencode(tmp_path / "cat") + b"/" + name)).write_bytes(name)
    manifest = scan(tmp_path)

    assert manifest.names == ("cat/000.jpg",)
    assert set(manifest.skipped) == {
        Skipped(r"'cat/\udcff\udcfe.jpg'", "file name is not valid Unicode"),
        Skipped(r"'cat/caf\udce9.png'", "file name is not valid Unicode"),
    }


def test_folder_without_images_is_refused(tmp_path):
    """The message shows the layout that was expected."""
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat/notes.txt").write_text("none")

    with pytest.raises(
        DataLayoutError, match=r"No image below .*\. Expected one folder per class \(DATA/cats/1\.jpg\)"
    ):
        scan(tmp_path)


def test_folder_of_refused_images_says_why(tmp_path):
    """If every file was refused, the first reason is part of the message."""
    os.mkfifo(tmp_path / "a.jpg")

    with pytest.raises(DataLayoutError, match=r"1 files were skipped, the first: a\.jpg \(not a regular file\)"):
        scan(tmp_path)


def test_one_class_alone_is_no_task(tmp_path):
    """One folder can be extracted but not learned from."""
    manifest = scan(fill(tmp_path, {"cat": 30}))

    assert len(manifest) == 30
    with pytest.raises(DataLayoutError, match=r"at least two classes\. Received: \['cat'\]"):
        manifest.require_task()


@pytest.mark.parametrize("folder", ["train", "val", "test"])
def test_class_missing_from_a_split(tmp_path, folder):
    """Training needs every class; a class that validation or test lacks is named in a warning."""
    fill(tmp_path, {f"{name}/{label}": 2 for name in ("train", "val", "test") for label in ("cat", "dog")})
    shutil.rmtree(tmp_path / folder / "dog")
    manifest = scan(tmp_path)

    if folder == "train":
        with pytest.raises(DataLayoutError, match=r"The train split has no image of 'dog'"):
            manifest.require_task()
    else:
        assert len(manifest.require_task()) == 10
        assert manifest.classes_without({"val": "validation"}.get(folder, folder)) == ("dog",)


def test_duplicates_across_split_folders_are_reported(tmp_path):
    """A training image that was copied into the test folder is found whatever its name and label."""
    fill(tmp_path, {f"{name}/{label}": 3 for name in ("train", "val", "test") for label in ("cat", "dog")})
    shutil.copy(tmp_path / "train/cat/001.jpg", tmp_path / "test/dog/copy.jpg")
    shutil.copy(tmp_path / "train/cat/002.jpg", tmp_path / "train/cat/twice.jpg")

    assert scan(tmp_path).duplicates_across_splits() == [["test: test/dog/copy.jpg", "train: train/cat/001.jpg"]]


def test_duplicates_never_straddle_a_percentage_split(tmp_path):
    """Images of one content have one key, so a split by percentages keeps them together."""
    fill(tmp_path, {"cat": 60, "dog": 60})
    for file in sorted((tmp_path / "cat").iterdir()):
        shutil.copy(file, tmp_path / "cat" / f"copy of {file.name}")

    assert scan(tmp_path, "50/25/25").duplicates_across_splits() == []


def test_added_moved_and_relabelled_images_change_no_other_split(tmp_path):
    """An image's split follows its content: through growth, a rename and a new label."""
    before = scan(fill(tmp_path, {"cat": 60, "dog": 60}), "60/20/20", seed=5)
    splits = dict(zip(before.digests, before.splits, strict=True))
    fill(tmp_path, {"eel": 50})
    (tmp_path / "cat").rename(tmp_path / "tiger")
    (tmp_path / "dog/003.jpg").rename(tmp_path / "eel/found.jpg")
    after = scan(tmp_path, "60/20/20", seed=5)

    assert len(after) == 170
    assert {d: s for d, s in zip(after.digests, after.splits, strict=True) if d in splits} == splits
    assert scan(tmp_path, "60/20/20", seed=6).splits != after.splits
