"""What users give as images, in all the ways in which they do."""

import io
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline.errors import DataLayoutError, DataNotFoundError, UnreadableImageError
from pipeline.images.decoding.decoder import Decoder
from pipeline.images.files.hashing import FileHashes
from pipeline.images.given import NOT_FOUND, read_given
from pipeline.images.sources.reading import Reading
from tests.conftest import draw_photo

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 8, 9, 3)).astype(np.uint8)


@pytest.fixture
def paths(tmp_path):
    """Three image files with the pixels of `PIXELS`."""
    (tmp_path / "a").mkdir()
    files = [tmp_path / "a" / f"{number}.png" for number in range(3)]
    for file, pixels in zip(files, PIXELS, strict=False):
        Image.fromarray(pixels).save(file)
    return files


def read(given, **settings):
    return read_given(given, FileHashes(), **settings)


def pixels_of(given):
    """Decoded pixels of the images that can be read."""
    return [Decoder(12).decode(given.manifest.read(row)) for row in range(len(given.manifest))]


def reasons(given):
    return list(given.unread(given.manifest).values())


def opened(path):
    return io.BytesIO(path.read_bytes())


ONE = {
    "text": str,
    "path": Path,
    "bytes": lambda path: path.read_bytes(),
    "bytearray": lambda path: bytearray(path.read_bytes()),
    "PIL image": Image.open,
    "array": lambda path: np.asarray(Image.open(path)),
    "floats": lambda path: np.asarray(Image.open(path)) / 255,
    "alpha": lambda path: np.asarray(Image.open(path).convert("RGBA")),
    "open file": opened,
    "bytes of numpy": lambda path: np.bytes_(path.read_bytes()),
    "path in bytes": lambda path: str(path).encode(),
    "entry of Hugging Face": lambda path: {"bytes": path.read_bytes(), "path": None},
    "entry with a path": lambda path: {"bytes": None, "path": str(path)},
}
MANY = {
    "list": list,
    "tuple": tuple,
    "generator": lambda paths: (path for path in paths),
    "array": lambda paths: np.array([str(path) for path in paths]),
    "array of objects": lambda paths: np.array(paths, dtype=object),
    "column": lambda paths: np.array([[str(path)] for path in paths]),
    "list of lists": lambda paths: [[path] for path in paths],
    "series": lambda paths: pd.Series([str(path) for path in paths], index=range(100, 103)),
    "frame": lambda paths: pd.DataFrame({"path": [str(path) for path in paths]}),
    "bytes": lambda paths: [path.read_bytes() for path in paths],
    "PIL images": lambda paths: [Image.open(path) for path in paths],
    "series of PIL images": lambda paths: pd.Series([Image.open(path) for path in paths]),
    "arrays": lambda paths: [np.asarray(Image.open(path)) for path in paths],
    "one array": lambda _: PIXELS[:3],
    "one array of floats": lambda _: PIXELS[:3].astype(np.float32) / 255,
    "mixed": lambda paths: [str(paths[0]), paths[1].read_bytes(), PIXELS[2]],
    "all below a folder": lambda paths: str(paths[0].parent),
}


@pytest.mark.parametrize("kind", ONE)
def test_one_image_is_one_image(kind, paths):
    """A text is not a list of letters, and an array is not a list of its rows."""
    expected = Decoder(12).decode(paths[1].read_bytes())
    alone, listed = read(ONE[kind](paths[1])), read([ONE[kind](paths[1])])

    assert len(alone.names) == len(listed.names) == 1
    assert alone.manifest.digests == listed.manifest.digests
    assert np.array_equal(pixels_of(alone)[0], expected)
    assert np.array_equal(pixels_of(listed)[0], expected)
    assert alone.names == ((str(paths[1]),) if "path" in kind or kind == "text" else ("#0",))


@pytest.mark.parametrize("kind", MANY)
def test_many_images_keep_their_order(kind, paths):
    """Whatever holds them, images come out as they were put in."""
    given = read(MANY[kind](paths))

    assert len(given.names) == 3
    assert given.manifest.positions == (0, 1, 2)
    assert given.manifest.is_files == (given.names == tuple(str(path) for path in paths))
    for received, path in zip(pixels_of(given), paths, strict=True):
        assert np.array_equal(received, Decoder(12).decode(path.read_bytes()))


@pytest.mark.parametrize(
    ("shape", "count"),
    [
        ((5, 6), 1),
        ((64, 64, 3), 1),
        ((7, 6, 4), 1),
        ((7, 6, 1), 1),
        ((7, 6, 5), 7),
        ((2, 7, 6, 3), 2),
        ((2, 7, 6, 1), 2),
    ],
)
def test_last_dimension_decides_what_three_are(shape, count):
    """(H, W, channels) is one image, (N, H, W) are grey ones; two dimensions are one image, four are many."""
    given = read(np.zeros(shape, np.uint8))

    assert given.names == tuple(f"#{number}" for number in range(count))
    assert len(pixels_of(given)) == count


def test_an_image_in_memory_has_one_key(paths):
    """A PIL image, its array, and its row of a larger array share one digest, so that their row is made once."""
    digests = {
        *read(PIXELS[0]).manifest.digests,
        *read(Image.fromarray(PIXELS[0])).manifest.digests,
        read(PIXELS).manifest.digests[0],
        read([PIXELS[0] / 255]).manifest.digests[0],
    }

    assert len(digests) == 1


def test_pil_image_is_turned_upright_where_its_file_would_be(tmp_path):
    """The EXIF orientation of an open image counts, unless it is switched off."""
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.png"
    Image.fromarray(PIXELS[0]).save(path, exif=exif)

    for with_exif in (True, False):
        expected = Decoder(12, exif=with_exif).decode(path.read_bytes())

        assert np.array_equal(pixels_of(read(Image.open(path), exif=with_exif))[0], expected)


def test_every_image_has_an_index(paths, tmp_path):
    """Images given twice are listed twice; each image that cannot be read has its index and its reason."""
    cut = tmp_path / "cut.png"
    cut.write_bytes(paths[0].read_bytes()[:60])
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jpg"))
    odd.write_bytes(b"odd")
    listed = [paths[0], "gone.png", paths[0], tmp_path / "empty", tmp_path / "pipe.jpg", odd, "", None, 3, "x" * 5000]
    with Image.open(cut) as image:
        given = read([*listed, float("nan"), np.full((2, 2), -1), image, tmp_path / "a"])

    assert given.names[:5] == (*(str(item) for item in listed[:5]),)
    assert given.names[5] == ascii(str(odd))
    assert given.names[-3:] == tuple(str(path) for path in paths)
    assert given.manifest.positions == (0, 2, 13, 14, 15)
    assert given.manifest.names == (str(paths[0]), str(paths[0]), *(str(path) for path in paths))
    assert reasons(given)[:5] == [
        NOT_FOUND,
        "no image in this folder",
        "not a regular file; the name - reads an image, or paths, from standard input",
        "file name is not valid Unicode",
        "an empty path",
    ]
    kinds = "expected a path, the bytes of an image file, a PIL image, or an array of pixels; received"
    assert reasons(given)[5:7] == [f"{kinds} NoneType", f"{kinds} int"]
    assert reasons(given)[7].startswith("a text that is no path")
    assert reasons(given)[8] == f"{kinds} float"
    assert reasons(given)[9].startswith("Pixels are integers")
    assert reasons(given)[10].startswith("damaged: ")
    assert [given.manifest.read(row) for row in (0, 1)] == [paths[0].read_bytes()] * 2


def test_skipped_files_of_a_folder_have_an_index(paths):
    """They stand among the others by their name, with the folder before it."""
    (paths[0].parent / "1a.png").symlink_to("nowhere.png")
    given = read(paths[0].parent)

    assert [Path(name).name for name in given.names] == ["0.png", "1.png", "1a.png", "2.png"]
    assert given.unread(given.manifest) == {2: "broken symbolic link"}
    assert given.names[2] == str(paths[0].parent / "1a.png")


def test_a_folder_may_be_refused(paths):
    """Where rows and labels must stay paired, a folder cannot be read."""
    given = read([paths[0], paths[0].parent], with_folders=False)

    assert given.unread(given.manifest) == {1: "a folder; expected one image for each label"}


def test_file_needs_no_extension(paths, tmp_path):
    """A file that is named is taken at its word; its bytes decide later."""
    upload = paths[0].rename(tmp_path / "upload")

    assert len(read(upload).manifest) == 1


def test_paths_may_be_relative_and_absolute(paths, tmp_path):
    """Relative and absolute paths can be mixed, with a file of hashes as well."""
    given = read_given(["a/0.png", paths[1]], FileHashes(tmp_path / "file_hashes.sqlite"))

    assert len(given.manifest) == 2


def test_what_was_read_is_not_read_again(paths):
    """An iterator and an open file give their images once; what was read of them serves as often as it is asked for."""
    with paths[1].open("rb") as file:
        given = read(iter([paths[0], file]))

    assert read(given) is given
    assert given.manifest.read(1) == paths[1].read_bytes()


def test_unreadable_images_are_counted(paths):
    """In the order given, those that are found when they are decoded as well; all of them, or any if all are needed, are an error."""
    given = read([paths[0], paths[1], "gone.png"])
    later = given.manifest.without({0: "damaged"})

    assert read(paths).check(read(paths).manifest, need_all=True) is None
    assert given.check(given.manifest) == "1 of 3 images cannot be read; the first: gone.png: no such file"
    assert given.check(later) == f"2 of 3 images cannot be read; the first: {paths[0]}: damaged"
    with pytest.raises(DataNotFoundError, match=r"^1 of 3 images .* gone\.png: no such file\.$"):
        given.check(given.manifest, need_all=True)
    with pytest.raises(UnreadableImageError, match=r"^3 of 3 images cannot be read; .*0\.png: damaged\.$"):
        given.check(given.manifest.without({0: "damaged", 1: "damaged"}))
    gone = read("gone.png")
    with pytest.raises(DataNotFoundError, match=r"^The image cannot be read: gone\.png: no such file\.$"):
        gone.check(gone.manifest)


@pytest.mark.parametrize("given", [[], (), np.zeros((0, 8, 8, 3), np.uint8), pd.Series([], dtype=object)])
def test_nothing_is_an_error(given):
    """No image is nothing to predict."""
    with pytest.raises(DataLayoutError, match=r"^No image was given"):
        read(given)


@pytest.mark.parametrize(
    ("given", "received"),
    [
        (None, "NoneType"),
        (7, "int"),
        ({"path": ["a.png"]}, "dict"),
        (pd.DataFrame({"x": [1.5], "y": [2.5]}), r"columns: \['x', 'y'\]"),
        (np.zeros(5, np.uint8), r"\(5,\)"),
        (np.zeros((1, 2, 3, 4, 5), np.uint8), r"\(1, 2, 3, 4, 5\)"),
    ],
)
def test_what_is_no_image_is_refused(given, received):
    """The message says what was received."""
    with pytest.raises(DataLayoutError, match=f"Received:? {received}"):
        read(given)


def test_images_can_be_sent(paths):
    """Places are lost when images are sent to another process, and bytes are not."""
    for given in (read(["gone.png", *paths]), read([None, PIXELS[0], paths[0]])):
        sent = given.manifest.detached(with_bytes=False)

        assert [sent.read(row) for row in range(len(sent))] == [
            given.manifest.read(row) for row in range(len(given.manifest))
        ]


def test_a_changed_file_is_read_again(tmp_path):
    """The key is that of the bytes, whatever the path held before."""
    path = draw_photo(tmp_path / "a.png", (200, 40, 40), seed=1)
    before = read(path).manifest.digests
    draw_photo(path, (200, 40, 40), seed=2)

    assert read(path).manifest.digests != before


def named(given):
    """Names and reasons of all images; None where there is no reason."""
    reasons = given.unread(given.manifest)
    return [(name, reasons.get(row)) for row, name in enumerate(given.names)]


def test_table_gives_one_image_for_each_row(paths, tmp_path):
    """Rows are in the table's order under the paths that it has; missing files and empty paths keep their places."""
    table = tmp_path / "table.csv"
    table.write_text("species;file\nx;a/1.png\ny;gone.png\nz;\nx;a/0.png\nx;ftp://example.com/1.png\n")
    given = read([table, paths[2]])

    assert named(given)[:4] == [
        ("a/1.png", None),
        ("gone.png", "no such file"),
        ("row 3", "empty path"),
        ("a/0.png", None),
    ]
    assert named(given)[4][1].startswith("the protocol ftp:// is not read; expected s3://")
    assert named(given)[5] == (str(paths[2]), None)
    assert np.array_equal(pixels_of(given)[0], Decoder(12).decode(paths[1].read_bytes()))


@pytest.mark.parametrize("kind", ["zip", "gztar"])
def test_archive_gives_one_image_for_each_member(kind, paths, tmp_path):
    """Whatever its folders are called; a member that is refused has its reason."""
    (tmp_path / "a" / "link.png").symlink_to("0.png")
    archive = shutil.make_archive(str(tmp_path / "packed"), kind, tmp_path, "a")
    given = read(archive)

    assert given.names[:3] == tuple(f"{archive}/a/{number}.png" for number in range(3))
    assert given.manifest.digests[:3] == read(paths).manifest.digests


def test_npz_and_named_data_give_one_image_for_each_row(tmp_path):
    """Labels are not needed; a data set of scikit-learn is read by its name."""
    np.savez(tmp_path / "x.npz", x=PIXELS)
    given = read(tmp_path / "x.npz")

    assert given.names == tuple(f"{tmp_path}/x.npz/#{row}" for row in range(4))
    assert given.manifest.digests == read(PIXELS).manifest.digests
    assert len(read("sklearn:digits").names) == 1797


def test_frame_with_several_columns_is_a_table(paths):
    """The column of paths is found by its name or by the option; a column of encoded images counts too."""
    frame = pd.DataFrame({"path": [str(paths[1]), "gone.png"], "age": [1, 2]})
    encoded = pd.DataFrame({"image": [{"bytes": path.read_bytes(), "path": None} for path in paths], "age": 1})

    assert [reason for _, reason in named(read(frame))] == [None, "no such file"]
    assert read(frame.rename(columns={"path": "x"}), reading=Reading(path_column="x")).names == read(frame).names
    assert read(encoded).manifest.digests == read(paths).manifest.digests


def test_pattern_that_the_shell_did_not_expand(paths, tmp_path):
    """The matching files, or the folders if no file matches; an existing name with a bracket is no pattern."""
    bracket = draw_photo(tmp_path / "x[1].png", (1, 2, 3), seed=1)

    assert read(f"{tmp_path}/a/[01].png").names == tuple(map(str, paths[:2]))
    assert read(f"{tmp_path}/**/?.png").names == tuple(map(str, paths))
    assert read(f"{tmp_path}/?").names == tuple(map(str, paths))
    assert read(bracket).names == (str(bracket),)
    assert named(read([paths[0], f"{tmp_path}/*.gif"]))[1] == (f"{tmp_path}/*.gif", "no file matches this pattern")


def test_splits_and_groups_of_arrays_are_no_question(tmp_path):
    """A prediction has no use for them."""
    people, others = np.array([0, 0, 1, 1]), {"x_test": 255 - PIXELS, "y_test": np.arange(4)}
    for number, arrays in enumerate(
        (
            {"x": PIXELS, "patient_id": people},
            {"x_train": PIXELS, "groups_train": people, "groups_test": people, **others},
        )
    ):
        np.savez(tmp_path / f"{number}.npz", **arrays)

        assert len(read(tmp_path / f"{number}.npz").names) == 4 * (number + 1)


@pytest.mark.parametrize("name", ["table.csv", "packed.zip", "x.npz", "*.png"])
def test_what_means_many_images_is_refused_where_rows_must_be_paired(name, paths, tmp_path, monkeypatch):
    """As a folder is."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text("path\na/1.png\n")
    shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, "a")
    np.savez(tmp_path / "x.npz", x=PIXELS)
    ((_, reason),) = named(read([name], with_folders=False))

    assert reason.endswith("; expected one image for each label")


def test_image_that_is_called_like_a_table_is_an_image(paths, tmp_path):
    """The content decides."""
    path = shutil.copy(paths[0], tmp_path / "image.csv")

    assert read(path).manifest.digests == read(paths[0]).manifest.digests


def test_npy_file_is_one_image_or_many(tmp_path):
    """An image of 8 bits as any other file; otherwise the images of the array, and none where one is expected."""
    for name, array in (("one", PIXELS[0]), ("many", PIXELS), ("share", PIXELS[0] / 255)):
        np.save(tmp_path / f"{name}.npy", array)
    given = read([tmp_path / "one.npy", tmp_path / "many.npy", tmp_path / "share.npy"])
    alone = read([tmp_path / "many.npy"], with_folders=False)

    assert len(given.names) == len(given.manifest) == 2 + len(PIXELS)
    assert given.manifest.digests[0] == given.manifest.digests[1] == given.manifest.digests[-1]
    assert reasons(alone) == [
        "an .npy file of several images, or of another type than uint8; expected one image for each label"
    ]


def test_floats_that_are_cut_off_are_said():
    """For one array of images and for images in a list."""
    overshot = PIXELS[:2] / 200

    for given in (overshot, list(overshot)):
        assert any("they are read as 0 to 1" in text for text in read(given).manifest.warnings)


def test_range_of_floats_is_one_for_all_arrays(paths):
    """A dark image among floats up to 255 is dark, and not multiplied by 255."""
    dark = np.ones((8, 9, 3), np.float32)
    bytes_, shares = read([PIXELS[0].astype(np.float32), dark]), read([PIXELS[0] / 255, dark])

    assert np.array_equal(pixels_of(bytes_)[0], pixels_of(shares)[0])
    assert pixels_of(bytes_)[1].max() == 1
    assert pixels_of(shares)[1].min() == 255


def test_floats_of_two_ranges_are_a_warning():
    """One image up to 1 beside one up to 255 is almost black: it was divided, and the other was not."""
    found = read([PIXELS[0] / 255, PIXELS[0].astype(float)])

    assert any("The array #0 has floats up to 1, and another one up to 25" in text for text in found.manifest.warnings)


@pytest.mark.parametrize(
    ("shape", "warns"), [((12, 9, 2), True), ((12, 9, 5), True), ((3, 12, 9), True), ((12, 9, 8), False)]
)
def test_three_dimensions_that_may_be_one_image_are_a_warning(shape, warns):
    """They are gray images; two or five channels are not read."""
    found = read(np.zeros(shape, np.uint8))

    assert len(found.names) == shape[0]
    assert (
        any(f"The array {shape} is read as {shape[0]} gray images." in text for text in found.manifest.warnings)
        == warns
    )


@pytest.mark.parametrize(
    ("shape", "warns"), [((1797, 64), True), ((900, 784), True), ((12, 3000), True), ((30, 40), False), ((1, 9), False)]
)
def test_rows_of_pixels_are_one_image_with_a_warning(shape, warns):
    """scikit-learn has its digits, and Kaggle MNIST, as rows."""
    found = read(np.zeros(shape, np.uint8))

    assert len(found.names) == 1
    assert any("If each row is an image, give them their shape" in text for text in found.manifest.warnings) == warns


def test_url_of_a_file_is_its_path(tmp_path):
    """As a browser copies it."""
    Image.fromarray(PIXELS[0]).save(tmp_path / "a b.png")

    assert len(read(f"file://{tmp_path}/a%20b.png").manifest) == 1


@pytest.mark.parametrize("text", ["data:image/jpeg;base64,/9j/4AAQ", "x" * 5000])
def test_text_that_is_no_path_is_not_printed_whole(text):
    """An image in base64 has megabytes."""
    found = read([text, PIXELS[0]])

    assert found.names[0] == f"{text[:40]}..."
    assert found.manifest.skipped[0].reason.startswith("a text that is no path; if it is an image in base64, decode")


def test_range_of_integers_is_judged_over_all_arrays():
    """One image, a list or one array: the bits of all, with a few warnings however many arrays there are."""
    wide = [pixels.astype(np.uint16) << 4 for pixels in PIXELS[:1]] * 5
    listed, joined = read([*wide, wide[0] // 16]), read(np.stack(wide))

    plain = pixels_of(read([PIXELS[0], PIXELS[0] // 16]))

    assert np.array_equal(pixels_of(listed)[0], plain[0])
    assert np.array_equal(pixels_of(listed)[5], plain[1])
    assert np.array_equal(pixels_of(joined)[4], plain[0])
    assert "The array #0 has integers above 255" in listed.manifest.warnings[0]
    assert listed.manifest.warnings[3:] == ("3 more arrays have such values.",)
    assert len(joined.manifest.warnings) == 1


def test_one_image_with_its_channels_first_is_a_question():
    """Alone it is read as gray images, with a warning; in a list it is one image."""
    first = np.moveaxis(PIXELS[0], -1, 0)

    assert "in a list" in read(first).manifest.warnings[0]
    assert np.array_equal(pixels_of(read([first]))[0], pixels_of(read(PIXELS[0]))[0])


def test_texts_of_numpy_become_plain_names(paths):
    """A name is written to files, where numpy's text would show its type."""
    assert {type(name) for name in read(np.array([str(path) for path in paths])).names} == {str}
