"""Folder trees as people make them: with splits or without, with links, pipes and odd names."""

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unicodedata import normalize

import pytest

from pipeline.errors import DataLayoutError
from pipeline.images.files.hashing import FileHashes, sha256_file
from pipeline.images.manifest import Manifest
from pipeline.images.requirements import require_task
from pipeline.images.sources import folders
from pipeline.images.sources.folders import scan_folder
from pipeline.images.sources.reading import Reading
from pipeline.images.summary import Ignored, Skipped
from tests.conftest import draw_tree

PNG = b"\x89PNG\r\n\x1a\n and so on"


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
    require_task(manifest)


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
    """An image outside the split folders has no label and no split, so it can only be among the training images."""
    manifest = scan(fill(tmp_path, {"train/cat": 3, "val/cat": 3, "test/cat": 3, "": 1}))

    assert splits_by_name(manifest)["000.jpg"] == "train"
    assert manifest.labels[manifest.names.index("000.jpg")] is None
    assert Counter(manifest.splits) == {"train": 4, "validation": 3, "test": 3}


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
        require_task(manifest)


def test_hidden_and_foreign_files_are_counted(tmp_path):
    """Hidden files and folders, and files that are no images, are neither images nor skipped ones."""
    fill(tmp_path, {"cat": 2, ".thumbnails/cat": 2, "cat/.cache": 2})
    for name in ("cat/._000.jpg", "cat/.DS_Store", "cat/notes.txt", "cat/jpg", "Thumbs.db"):
        (tmp_path / name).write_bytes(b"no image")
    manifest = scan(tmp_path)

    assert manifest.names == ("cat/000.jpg", "cat/001.jpg")
    assert manifest.skipped == ()
    assert {(entry.kind, entry.count) for entry in manifest.ignored} == {
        ("system files", 3),
        ("system folders", 2),
        (".txt", 1),
        ("files without ending", 1),
    }


def test_folders_that_this_package_wrote_are_no_classes(tmp_path):
    """Who works inside the folder of the images has runs, stores and evaluations there; one of their names alone makes no such folder."""
    fill(tmp_path, {"cat": 2, "runs/first": 2, "runs/later": 1, "features_cache/vgg16/shards": 1, "dog": 2})
    for name in ("run.json", "metrics.json"):
        (tmp_path / "runs/first" / name).touch()
    for name in ("evaluation.json", "predictions.csv"):
        (tmp_path / "runs/later" / name).touch()
    for path in ("features_cache/vgg16/recipe.json", "dog/recipe.json", "cat/run.json"):
        (tmp_path / path).touch()
    manifest = scan(tmp_path)

    assert manifest.classes == ("cat", "dog")
    assert Ignored("folders that this package wrote", 3) in manifest.ignored
    assert not any("There is no image" in text for text in manifest.warnings)


def test_extensions_are_known_in_any_case(tmp_path):
    """All extensions are read, in upper case as cameras write them."""
    names = sorted(["a.JPG", "b.jpeg", "c.PNG", "d.webp", "e.Bmp", "f.gif", "g.tif", "h.TIFF"])
    for name in names:
        (tmp_path / name).write_bytes(name.encode())

    assert scan(tmp_path).names == tuple(names)


def test_links_to_files_are_followed_wherever_they_lead(tmp_path):
    """Whoever made the folder chose these files; a link that leads nowhere costs itself alone."""
    root = fill(tmp_path / "data", {"cat": 1, "dog": 1})
    outside = tmp_path / "0f3a"
    outside.write_bytes(PNG)
    (root / "cat/inside.jpg").symlink_to(root / "dog/000.jpg")
    (root / "cat/outside.png").symlink_to(outside)
    (root / "cat/relative").symlink_to("../../0f3a")
    (root / "cat/broken.png").symlink_to("nowhere.png")
    (root / "cat/loop.png").symlink_to("loop.png")
    (root / "cat/loop").symlink_to("loop")
    manifest = scan(root)

    assert manifest.names == ("cat/000.jpg", "cat/inside.jpg", "cat/outside.png", "cat/relative", "dog/000.jpg")
    assert manifest.digests[2] == manifest.digests[3] == sha256_file(outside)
    assert set(manifest.skipped) == {
        Skipped("cat/broken.png", "broken symbolic link"),
        Skipped("cat/loop.png", "broken symbolic link"),
    }
    assert manifest.ignored == (Ignored("broken links", 1),)


def test_linked_folders_are_entered_only_if_asked(tmp_path):
    """By default a link to a folder is skipped with the option to use; with it, no folder is entered from within itself."""
    root = fill(tmp_path / "data", {"cat": 1, "dog": 1})
    fill(tmp_path / "elsewhere", {"": 3})
    (root / "eel").symlink_to(tmp_path / "elsewhere")
    (root / "dog/endless.jpg").symlink_to(root)
    plain, followed = scan(root), scan_folder(root, Reading(follow_links=True))

    reason = "symbolic link to a folder; it is followed with --follow-links"
    assert plain.names == ("cat/000.jpg", "dog/000.jpg")
    assert set(plain.skipped) == {Skipped("eel", reason), Skipped("dog/endless.jpg", reason)}
    assert followed.classes == ("cat", "dog", "eel")
    assert followed.skipped == (Skipped("dog/endless.jpg", "symbolic link to a folder that it is in"),)


def test_links_between_two_folders_end(tmp_path):
    """Two folders that link to each other are entered once on each way."""
    root = fill(tmp_path, {"a": 1, "b": 1})
    (root / "a/to_b").symlink_to(root / "b")
    (root / "b/to_a").symlink_to(root / "a")
    manifest = scan_folder(root, Reading(follow_links=True))

    assert manifest.names == ("a/000.jpg", "a/to_b/000.jpg", "b/000.jpg", "b/to_a/000.jpg")
    assert {entry.path for entry in manifest.skipped} == {"a/to_b/to_a", "b/to_a/to_b"}


@contextmanager
def somebody() -> Iterator[Path]:
    """A folder that everybody can read, as a user who has no special rights."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        is_root = os.geteuid() == 0
        try:
            yield Path(name)
        finally:
            if is_root:
                os.seteuid(0)


def lose_rights() -> None:
    """Go on as a user who may not read everything."""
    if os.geteuid() == 0:
        os.seteuid(65534)


def test_locked_folder_and_links_into_it_cost_themselves(tmp_path):
    """They are skipped with the system's reason, and the other images are read."""
    with somebody() as folder:
        root = fill(folder / "data", {"cat": 1, "dog": 1, "eel": 1})
        locked = fill(folder / "locked", {"": 1})
        for name in ("link.jpg", "link"):
            (root / "cat" / name).symlink_to(locked / "000.jpg")
        (root / "dog" / "unread").write_bytes(PNG)
        for path in (locked, root / "eel", root / "dog/unread"):
            path.chmod(0)
        lose_rights()
        manifest = scan(root)

    assert manifest.names == ("cat/000.jpg", "dog/000.jpg")
    assert set(manifest.skipped) == {
        Skipped("cat/link.jpg", "cannot be read: Permission denied"),
        Skipped("cat/link", "cannot be read: Permission denied"),
        Skipped("dog/unread", "cannot be read: Permission denied"),
        Skipped("eel", "folder that cannot be read"),
    }


def test_pipe_named_like_an_image_does_not_hang(tmp_path):
    """A pipe is refused without being opened, and so is one behind a link; a folder named a.jpg is a folder."""
    root = fill(tmp_path, {"cat": 1, "cat/a.jpg": 1})
    os.mkfifo(root / "cat/pipe.jpg")
    (root / "cat/link.jpg").symlink_to("pipe.jpg")
    manifest = scan(root)

    assert manifest.names == ("cat/000.jpg", "cat/a.jpg/000.jpg")
    assert {item.path: item.reason for item in manifest.skipped} == {
        "cat/pipe.jpg": "not a regular file",
        "cat/link.jpg": "not a regular file",
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
        require_task(manifest)


@pytest.mark.parametrize("folder", ["train", "val", "test"])
def test_class_missing_from_a_split(tmp_path, folder):
    """Training needs every class; a class that validation or test lacks is named in a warning."""
    fill(tmp_path, {f"{name}/{label}": 2 for name in ("train", "val", "test") for label in ("cat", "dog")})
    shutil.rmtree(tmp_path / folder / "dog")
    manifest = scan(tmp_path)

    if folder == "train":
        with pytest.raises(DataLayoutError, match=r"The train split has no image of 'dog'"):
            require_task(manifest)
    else:
        assert len(require_task(manifest)) == 10
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


def test_file_in_another_normal_form_opens_by_its_real_name(tmp_path):
    """Names are shown as people type them (NFC); a Mac writes them in another form (NFD)."""
    decomposed = normalize("NFD", "Café/été.jpg")
    (tmp_path / decomposed).parent.mkdir()
    (tmp_path / decomposed).write_bytes(b"summer")
    manifest = scan(tmp_path)

    assert manifest.names == (normalize("NFC", decomposed),) != (decomposed,)
    assert manifest.labels == (normalize("NFC", "Café"),)
    assert manifest.read(0) == b"summer"
    assert folders.real_names(tmp_path, [manifest.names[0], "Thé/1.jpg", "../é"]) == [decomposed, "Thé/1.jpg", "../é"]


def test_names_that_would_become_one_keep_their_forms(tmp_path):
    """Two files whose names differ only in their form are two images with two names."""
    for form in ("NFC", "NFD"):
        (tmp_path / normalize(form, "été.jpg")).write_bytes(form.encode())
    manifest = scan(tmp_path)

    assert len(set(manifest.names)) == 2
    assert {manifest.read(row) for row in range(2)} == {b"NFC", b"NFD"}


def test_first_folders_that_are_ignored_are_counted(tmp_path):
    """A folder beside the splits can be left out by its name; a name that is none is an error."""
    fill(tmp_path, {"seg_train/seg_train/cat": 3, "seg_test/seg_test/cat": 2, "seg_pred/seg_pred": 4})
    manifest = scan_folder(tmp_path, Reading(ignore_column=("seg_pred",)))

    assert Counter(manifest.splits)["test"] == 2
    assert manifest.classes == ("cat",)
    assert manifest.ignored == (Ignored("images in ignored folders", 4, "left out by --ignore-column"),)
    assert not any("There is no image" in text for text in manifest.warnings)
    with pytest.raises(DataLayoutError, match=r"No first folder is called 'pred'.*'seg_pred', 'seg_test', 'seg_train'"):
        scan_folder(tmp_path, Reading(ignore_column=("pred",)))


def test_folder_without_images_is_said(tmp_path):
    """A class whose files are all of another kind would vanish otherwise."""
    fill(tmp_path, {"cat": 1, "dog": 1, "eel/young": 0, "cat/empty": 0})
    (tmp_path / "eel/1.heic").write_bytes(b"")

    assert scan(tmp_path).warnings == ("There is no image in the folders 'cat/empty', 'eel'.",)


def test_folders_may_be_deeper_than_the_stack(tmp_path, monkeypatch):
    """Folders are walked without recursion."""
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    for _ in range(400):
        Path("b").mkdir()
        os.chdir("b")
    Path("1.jpg").write_bytes(b"deep")

    assert scan(tmp_path).names == ("/".join(["a", *["b"] * 400, "1.jpg"]),)


def test_table_beside_images_without_labels_is_named(tmp_path):
    """It may have the labels; beside class folders it is counted only."""
    fill(tmp_path / "photos", {"images": 3})
    (tmp_path / "photos" / "labels.csv").write_text("path,label\n")
    said = f"There is a table in the folder, which is not read: {tmp_path / 'photos' / 'labels.csv'}. If it has the labels, give it as DATA."

    assert said in scan(tmp_path / "photos").warnings
    for split in ("train", "valid"):
        fill(tmp_path / "roboflow", {split: 2})
        (tmp_path / "roboflow" / split / "_classes.csv").write_text("filename, cat, dog\n")
    assert any("roboflow/train/_classes.csv, " in text for text in scan(tmp_path / "roboflow").warnings)
    fill(tmp_path / "photos", {"dogs": 1})
    assert said not in scan(tmp_path / "photos").warnings


def test_files_of_boxes_are_named_where_labels_are_missing(tmp_path):
    """YOLO has a text beside each image, or in a folder of its own."""
    fill(tmp_path / "yolo", {"train/images": 3, "valid/images": 2})
    (tmp_path / "yolo/train/labels").mkdir()
    for number in range(3):
        (tmp_path / f"yolo/train/labels/{number:03d}.txt").write_text("0 0.5 0.5 1 1")

    with pytest.raises(
        DataLayoutError,
        match=r"If the 3 \.txt files are annotations \(YOLO, Pascal VOC, WebDataset\), export them as COCO",
    ):
        require_task(scan(tmp_path / "yolo"))


def test_validation_folder_without_labels_is_named(tmp_path):
    """As ImageNet has it; leaving it out is an answer."""
    fill(tmp_path, {"train/cat": 12, "train/dog": 12, "val": 6})
    with pytest.raises(
        DataLayoutError,
        match=r"None of the 6 validation images has a label \(24 other images of 2 cl",
    ):
        require_task(scan(tmp_path))

    left = scan_folder(tmp_path, Reading(ignore_column=("val",)))
    assert set(require_task(left).splits) >= {"train", "validation"}


def test_what_was_skipped_is_said_where_a_class_is_missing(tmp_path):
    """A link to a class folder is not followed, so one class is left."""
    tree = draw_tree(tmp_path / "tree", {"": 4})
    (tmp_path / "data").mkdir()
    (tree / "red").rename(tmp_path / "data" / "red")
    (tmp_path / "data" / "blue").symlink_to(tree / "blue")

    with pytest.raises(
        DataLayoutError, match=r"two classes.* 1 were skipped, the first: blue \(symbolic link to a folder"
    ):
        require_task(scan(tmp_path / "data"))
