"""Tables, frames and arrays as people have them: known names in any spelling are read, near ones are questions."""

import json
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from pipeline.errors import DataLayoutError
from pipeline.images.requirements import require_task
from tests.calls import read
from tests.conftest import draw_photo

WORDS = ["train"] * 6 + ["val"] * 2 + ["test"] * 2
SPLITS = ("train",) * 6 + ("validation",) * 2 + ("test",) * 2


@pytest.fixture
def rows(tmp_path) -> list[tuple[str, str]]:
    """Paths and labels of ten images."""
    found = [(f"img/{number:04d}.png", "cats" if number % 2 else "dogs") for number in range(10)]
    for number, (path, _) in enumerate(found):
        draw_photo(tmp_path / path, (90, 90, 90), number, (8, 8))
    return found


@pytest.fixture
def write(tmp_path, rows):
    """Write a table of the ten images with one more column, and give its path."""

    def write(header="path,label", more=(), *, name="table.csv", encoding="utf-8", path=lambda p: p, label=lambda c: c):
        sep = next(mark for mark in ",;\t|" if mark in header)
        extra = more or [None] * 10
        lines = [
            sep.join([path(p), label(c), *([] if value is None else [str(value)])])
            for (p, c), value in zip(rows, extra, strict=True)
        ]
        (tmp_path / name).write_bytes("\n".join([header, *lines, ""]).encode(encoding))
        return tmp_path / name

    return write


@pytest.mark.parametrize(
    "header", ["path;label", "path\tlabel", "path|label", "path, label", '"path","label"', "sep=;\npath;label"]
)
@pytest.mark.parametrize("name", ["table.csv", "table.tsv", "table.txt"])
def test_delimiters_are_recognised(write, rows, header, name):
    """Whatever the ending says; Excel's line with the delimiter is no header."""
    manifest = read(write(header, name=name))

    assert manifest.labels == tuple(label for _, label in rows)
    assert manifest.names == tuple(path for path, _ in rows)


@pytest.mark.parametrize(
    ("word", "encoding", "title"),
    [
        ("Kätzchen", "cp1252", "Windows-1252"),
        ("à côté d\u2019un «chien»", "cp1252", "Windows-1252"),
        ("it\u2019s a cat", "cp1252", "Windows-1252"),
        ("狗", "gbk", "GBK"),
        ("猫", "shift-jis", "Shift JIS"),
        ("кошка", "cp1251", "Windows-1251"),
    ],
)
def test_tables_in_other_encodings_are_read(write, word, encoding, title):
    """As the letters are plausible, with a warning that has the first word."""
    manifest = read(write(label=lambda label: word if label == "cats" else label, encoding=encoding))

    assert set(manifest.labels) == {word, "dogs"}
    assert any(f"it is read as {title} (the first: {word!r})" in text for text in manifest.warnings)


def test_other_delimiters_in_fields_are_no_delimiters(write):
    """The delimiter is the one that all lines agree on."""
    manifest = read(write("path;label", label=lambda label: f"{label}, tame | wild"))

    assert set(manifest.labels) == {"cats, tame | wild", "dogs, tame | wild"}


@pytest.mark.parametrize(
    "header",
    [
        "filename,class",
        "image_path,Label",
        "Path, label",
        "file_name,category",
        "imagePath,CLASS_NAME",
        "img,target",
        "Image File,classes",
    ],
)
def test_known_names_are_read_in_any_spelling(write, rows, header):
    """Case, spaces, underscores and plurals make no difference."""
    assert read(write(header)).labels == tuple(label for _, label in rows)


@pytest.mark.parametrize(
    "form", ["{stem}", "  img/{stem}.png ", "img\\{stem}.png", "{root}/img/{stem}.png", "./img/{stem}.png"]
)
def test_paths_are_read_in_many_forms(write, tmp_path, rows, form):
    """Without the ending, padded, with backslashes, absolute."""
    header, root = ("id,label", tmp_path / "img") if form == "{stem}" else ("path,label", None)
    table = write(header, path=lambda p: form.format(stem=p[4:8], root=tmp_path))

    assert [read(table, root=root).read(row) for row in (0, 9)] == [
        (tmp_path / rows[row][0]).read_bytes() for row in (0, 9)
    ]


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ("ftp://example.com/{}", "the protocol ftp:// is not read"),
        ("C:\\Users\\me\\{}", r"on a drive of another computer \(C:\)"),
        ("file:///D:/me/{}", r"on a drive of another computer \(D:\)"),
        ("../other/{}", r"leaves the folder by '\.\.'.*--root"),
        ("door/{}", "reached by a link to a folder outside: --follow-links"),
        ("nowhere/{}", "no such file.*--root"),
        ("", "empty path"),
    ],
)
def test_paths_that_are_not_read_have_a_reason(write, tmp_path, rows, form, reason):
    """The error names the first path, the reason and the cure."""
    for number, (path, _) in enumerate(rows):
        draw_photo(tmp_path / "other" / path, (9, 9, 9), number, (8, 8))
    table = write(name="table.csv", path=form.format)
    (tmp_path / "sub").mkdir()
    table = table.rename(tmp_path / "sub/table.csv")
    (tmp_path / "sub/door").symlink_to(tmp_path / "other")

    with pytest.raises(DataLayoutError, match=reason):
        read(table)
    if form.startswith("door"):
        assert len(read(table, follow_links=True)) == 10
    if form.startswith(".."):
        assert len(read(table, root=tmp_path / "sub")) == 10


@pytest.mark.parametrize(
    ("form", "prefix"),
    [
        ("C:\\Users\\me\\photos\\{}", "C:\\Users\\me\\photos\\"),
        ("/home/somebody/photos/{}", "/home/somebody/photos/"),
        ("/{}", "/"),
        ("data/{}", "data/"),
        ("\\\\server\\share\\{}", "\\\\server\\share\\"),
        ("/data/local-files/?d={}", None),
        ("file://localhost/home/me/{}", None),
    ],
)
def test_paths_of_another_computer_are_read_without_its_folders(write, rows, form, prefix):
    """If none of them is here, and most are without the same first folders; a warning names these."""
    manifest = read(write(path=form.format))

    assert manifest.names == tuple(path for path, _ in rows)
    assert prefix is None or any(
        f"The paths begin with {prefix!r}, which is not here" in text for text in manifest.warnings
    )


def test_one_path_that_is_here_keeps_the_others_as_they_are(write, rows):
    """`test/img/1.png` is not `img/1.png` if the table's paths begin in its folder."""
    manifest = read(write(path=lambda path: path if path == rows[0][0] else f"old/{path}", label=lambda _: "cat"))

    assert manifest.names == (rows[0][0],)
    assert len(manifest.skipped) == 9


@pytest.mark.parametrize("form", ["{}", "{}.0", "{}.png", "{:02d}.png"])
def test_numbers_without_their_zeros_are_the_only_file_of_that_number(write, tmp_path, form):
    """Excel makes 7 of 0007, and pandas 7.0; a warning names the first. Where two files have the number, neither is it."""
    table = write(path=lambda path: "img/" + form.format(int(path[4:8])))
    manifest = read(table)
    draw_photo(tmp_path / "img/003.png", (9, 9, 9), 77, (8, 8))

    assert manifest.names == tuple(f"img/{number:04d}.png" for number in range(10))
    assert any("10 of 10 paths are numbers without the zeros of their files" in text for text in manifest.warnings)
    assert "img/" + form.format(3) in [entry.path for entry in read(table).skipped]


@pytest.mark.parametrize("form", ["img%2F{}", "./img/{}"])
def test_quoted_characters_of_a_url_are_read(write, tmp_path, form):
    """`%20` for a space and `%2F` for a slash, unless a file is called so."""
    manifest = read(write(path=lambda path: form.format(path[4:])))

    assert len(manifest) == 10


@pytest.mark.parametrize("shape", ["by class", "by split", "by name", "by name without ending"])
def test_object_of_names_is_a_table(tmp_path, rows, shape):
    """Names by class or split, and classes by name."""
    names = [path for path, _ in rows]
    content = {
        "by class": {kind: [path for path, label in rows if label == kind] for kind in ("cats", "dogs")},
        "by split": {"train": names[:6], "val": names[6:8], "test": names[8:]},
        "by name": dict(rows),
        "by name without ending": {path.removesuffix(".png"): label for path, label in rows},
    }[shape]
    (tmp_path / "table.json").write_text(json.dumps(content))
    manifest = read(tmp_path / "table.json")

    assert dict(zip(manifest.names, manifest.labels, strict=True)) == (
        dict.fromkeys(names) if shape == "by split" else dict(rows)
    )
    assert shape != "by split" or manifest.splits == SPLITS


def test_columns_of_one_and_zero_are_named_together(write):
    """As Roboflow exports classes: one of them alone would be a class against all others."""
    table = write("filename, label, cat, dog", ["1,0", "0,1"] * 5)
    manifest = read(table, ignore_column=("label",))

    assert any("As labels of one task: --label cat,dog." in text for text in manifest.warnings)
    assert read(table, label="cat,dog").kind == "multilabel"
    assert not any("one task" in text for text in read(table).warnings)


def test_text_that_means_no_label_may_be_a_class(write):
    """Namibia has the code NA."""
    manifest = read(write(label=lambda label: "NA" if label == "cats" else label))

    assert any(
        "no label: 'NA' (5). If one of them is a class, give it another name" in text for text in manifest.warnings
    )


@pytest.mark.parametrize(
    "text",
    [
        "label,pixel0,pixel1,pixel2\n1,0,0,0\n",
        "label,1x1,1x2,1x3\n1,0,0,0\n",
        "emotion,pixels,Usage\n0,70 80 82 72 58 58 60 63 54 58,Training\n",
    ],
)
def test_table_of_pixels_is_named(tmp_path, text):
    """MNIST and FER2013 as Kaggle has them have no paths; the cure is to save arrays."""
    (tmp_path / "train.csv").write_text(text)

    with pytest.raises(DataLayoutError, match=r"Its columns have the pixels as numbers: save .* np\.savez"):
        read(tmp_path / "train.csv")


def test_two_images_of_one_name_are_no_answer(write, tmp_path):
    """A name without an ending that fits two images is skipped with both names."""
    draw_photo(tmp_path / "img/0003.bmp", (9, 9, 9), 3, (8, 8))
    manifest = read(write(path=lambda path: path[:-4]))

    assert len(manifest) == 9
    assert [(entry.path, entry.reason) for entry in manifest.skipped] == [
        ("img/0003", "several images have this name: 0003.bmp, 0003.png")
    ]


@pytest.mark.parametrize(
    "header",
    ["path,label,split", "path,label,Split", "path,label, split", "path,label,subset", "path,label,data_split"],
)
@pytest.mark.parametrize(
    "words",
    [("train", "val", "test"), ("Training", "dev ", "eval"), ("training_set", "valid", "test_set"), ("tr", "va", "te")],
)
def test_split_columns_are_read_in_any_spelling(write, header, words):
    """Of the column and of the words."""
    named = dict(zip(("train", "val", "test"), words, strict=True))

    assert read(write(header, [named[word] for word in WORDS])).splits == SPLITS


def test_splits_in_paths_alone_are_said(write, tmp_path, rows):
    """The images are split by percentages, unless there is a column too."""
    for number, (path, _) in enumerate(rows):
        target = tmp_path / "data" / WORDS[number] / path
        target.parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).rename(target)
    places = {path: f"data/{word}/{path}" for (path, _), word in zip(rows, WORDS, strict=True)}
    said = "in folders of splits ('data/train/img', 'data/val/img', 'data/test/img')"

    assert any(said in text for text in read(write(path=places.get)).warnings)
    with_column = read(write("path,label,split", WORDS, path=places.get))
    assert not any(said in text for text in with_column.warnings)


def test_truth_values_set_the_split(write):
    """`is_valid` of fastai is validation or training; what is not `is_train` never reaches training, and a warning says so."""
    valid = read(write("path,label,is_valid", [word == "val" for word in WORDS]))
    train = read(write("path,label,isTrain", [int(word == "train") for word in WORDS]))

    assert valid.splits == tuple("validation" if word == "val" else "train" for word in WORDS)
    assert train.splits[6:] == ("test",) * 4
    assert any("isTrain is false are test images" in text for text in train.warnings)
    assert any("is_valid is true are validation images" in text for text in valid.warnings)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("phase", WORDS),
        ("usage", ["Training"] * 8 + ["PublicTest", "PrivateTest"]),
        ("phase", ["tr"] * 6 + ["va", "va", "te", "te"]),
        ("dataset", ["train"] * 8 + ["holdout"] * 2),
        ("Purpose", ["training"] * 8 + ["unused"] * 2),
        ("spilt", [1, 2] * 5),
        ("my_split", [1, 2] * 5),
        ("fold", [0, 1, 2, 3, 4] * 2),
        ("cv_fold", ["a", "b"] * 5),
        ("train", [1, 0] * 5),
        ("train_test", [1, 0] * 5),
        ("train_mask", [1, 0] * 5),
        ("is_holdout", [True, False] * 5),
        ("set", ["A", "B"] * 5),
        ("partition", [0, 1, 2, 0, 1] * 2),
    ],
)
def test_what_seems_to_be_the_split_is_a_question(write, name, values):
    """A random split is never made without a word; the error names column and option, and ignoring the column is an answer."""
    table = write(f"path,label,{name}", values)

    with pytest.raises(DataLayoutError, match=rf"{name}.*--(ignore|split)-column"):
        read(table)
    assert set(read(table, ignore_column=(name,)).splits) == {"train", "validation", "test"}
    if values is WORDS:
        assert read(table, split_column=name).splits == SPLITS


def test_columns_that_are_nothing_special_are_left_alone(write):
    """Other label columns and measurements are no questions."""
    for name, values in {
        "age": range(10),
        "colour": ["red", "blue"] * 5,
        "dataset": ["cifar", "imagenet"] * 5,
        "language": ["tr", "de"] * 5,
        "patient_age": [3, 4] * 5,
        "image_id": range(10),
    }.items():
        assert len(read(write(f"path,label,{name}", list(values)))) == 10


@pytest.mark.parametrize("name", ["patient", "patient_id", "SubjectID", "group_no", "gruop"])
def test_what_seems_to_be_the_group_is_a_question(write, name):
    """Images of one patient would be divided by a random split; with splits of its own, the data is warned of."""
    values = [number // 3 for number in range(10)]
    table = write(f"path,label,{name}", values)

    with pytest.raises(DataLayoutError, match=rf"{name}.*--group-column {name}.*--ignore-column {name}"):
        read(table)
    groups = read(table, group_column=name)
    assert all(
        len({split for split, value in zip(groups.splits, values, strict=True) if value == one}) == 1 for one in values
    )
    assert len(read(table, ignore_column=(name,))) == 10


def test_group_that_the_splits_divide_is_an_error(write):
    """The message names the group, its splits and the choices; a column that only seems to be the group is warned of."""
    more = [f"{word},{number % 3}" for number, word in enumerate(WORDS)]

    with pytest.raises(
        DataLayoutError, match=r"divide 3 groups: group '0' is in test and train and validation\..*--ignore-column"
    ):
        read(write("path,label,split,group", more))
    assert any("several splits" in text for text in read(write("path,label,split,patient", more)).warnings)


def test_two_columns_for_one_thing_are_a_question(write):
    """Unless they say the same."""
    with pytest.raises(DataLayoutError, match=r"could be the paths: \['path', 'filename'\].*--path-column"):
        read(write("path,label,filename", [f"x{number}.png" for number in range(10)]))
    with pytest.raises(DataLayoutError, match=r"columns of splits that differ: \['split', 'subset'\].*--split-column"):
        read(write("path,label,split,subset", [f"{word},train" for word in WORDS]))
    with pytest.raises(DataLayoutError, match=r"two columns 'label' with different values"):
        read(write("path,label,label", ["x", "y"] * 5))

    same = read(
        write("path,label,filename,subset,split", [f"{n:04d}.png,{word},{word}" for n, word in enumerate(WORDS)])
    )
    assert (same.names[3], same.splits) == ("img/0003.png", SPLITS)


def test_missing_label_column_lists_the_columns(write):
    """Images can be used without labels; a head asks for them."""
    manifest = read(write("path,breed,split", WORDS))

    assert manifest.labels == (None,) * 10
    with pytest.raises(
        DataLayoutError, match=r"None of the 10 images has a label\. .* 'breed'\. Choose one with --label"
    ):
        require_task(manifest)
    assert require_task(read(write("path,breed,split", WORDS), label="Breed")).classes == ("cats", "dogs")


def test_table_without_a_header_is_named(write):
    """Its first line is an image."""
    with pytest.raises(DataLayoutError, match="first line looks like an image: write a line with the names"):
        read(write("img/0000.png,cats"))


@pytest.mark.parametrize("option", ["path_column", "split_column", "group_column", "ignore_column", "label"])
def test_named_column_that_is_missing_lists_the_others(write, option):
    """The message names the option."""
    given = ("nothing",) if option == "ignore_column" else "nothing"

    with pytest.raises(DataLayoutError, match=rf"no column 'nothing'.*'label'.*--{option.replace('_', '-')}"):
        read(write(), **{option: given})


def test_json_parquet_and_frames_are_tables_too(tmp_path, rows, write):
    """The same names in the same spellings."""
    columns = {"Filename": [path for path, _ in rows], " Label": [label for _, label in rows], "Subset": WORDS}
    objects = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    (tmp_path / "table.json").write_text(json.dumps(objects))
    (tmp_path / "table.ndjson").write_text("\n".join(map(json.dumps, objects)))
    parquet.write_table(pa.table(columns), tmp_path / "table.parquet")
    expected = read(write("path,label,split", WORDS))

    for name in ("table.json", "table.ndjson", "table.parquet"):
        assert read(tmp_path / name) == expected
    assert read(pd.DataFrame(columns), root=tmp_path).splits == SPLITS


def test_images_in_parquet_have_columns_as_tables_have(tmp_path):
    """Splits, groups and labels of a file of encoded images are found by the same names, and asked about."""
    file = tmp_path / "images.parquet"
    images = [bytes([number]) * 9 for number in range(10)]
    parquet.write_table(pa.table({"image": images, "Class": ["a", "b"] * 5, "Subset": WORDS}), file)
    assert (read(file).splits, read(file).labels[:2]) == (SPLITS, ("a", "b"))

    parquet.write_table(pa.table({"image": images, "label": ["a", "b"] * 5, "phase": WORDS}), file)
    with pytest.raises(DataLayoutError, match="'phase' that seems to set the splits"):
        read(file)


X = np.random.default_rng(0).integers(0, 256, (90, 8, 8, 3)).astype(np.uint8)
Y = np.arange(90) % 3
PARTS = {"train": slice(0, 60), "val": slice(60, 75), "test": slice(75, 90)}


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("x_{}", "y_{}"),
        ("X_{}", "y_{}"),
        ("{}_images", "{}_labels"),
        ("{}_x", "{}_y"),
        ("{}X", "{}Y"),
        ("images_{}", "targets_{}"),
        ("x{}", "y{}"),
    ],
)
@pytest.mark.parametrize("word", ["val", "valid", "validation", "dev"])
def test_arrays_of_splits_are_read_in_any_spelling(tmp_path, images, labels, word):
    """Those of MedMNIST, Keras and scikit-learn."""
    names = {"train": "train", "val": word, "test": "test"}
    arrays = {images.format(names[split]): X[part] for split, part in PARTS.items()}
    np.savez(
        tmp_path / "a.npz", **arrays, **{labels.format(names[split]): Y[part, None] for split, part in PARTS.items()}
    )
    manifest = read(tmp_path / "a.npz")

    assert [manifest.splits.count(split) for split in ("train", "validation", "test")] == [60, 15, 15]
    assert manifest.labels == tuple(map(str, Y))


@pytest.mark.parametrize(
    ("images", "labels"), [("X", "Y"), ("images", "labels"), ("data", "target"), ("Images", "class")]
)
def test_single_arrays_are_read_in_any_spelling(tmp_path, images, labels):
    """One array of images and one of labels."""
    np.savez(tmp_path / "a.npz", **{images: X, labels: Y})

    assert read(tmp_path / "a.npz").labels == tuple(map(str, Y))


@pytest.mark.parametrize("name", ["x_holdout", "x_extra", "images2", "unseen"])
def test_array_that_is_not_used_is_a_question(tmp_path, name):
    """It is named with the option; ignored, the rest is read."""
    np.savez(tmp_path / "a.npz", x_train=X[:60], y_train=Y[:60], **{name: X[60:]})

    with pytest.raises(DataLayoutError, match=rf"'{name}' .*looks like data and is not used.*--ignore-column {name}"):
        read(tmp_path / "a.npz")
    assert len(read(tmp_path / "a.npz", ignore_column=(name,))) == 60


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        (lambda x: x.astype(np.float32), "floats up to 255: they are read as values from 0 to 255"),
        (lambda x: x.astype(np.float64) / 255, None),
        (lambda x: x.transpose(0, 3, 1, 2), "has its channels first"),
        (lambda x: x.astype(np.int16), None),
    ],
)
def test_same_pixels_in_another_form_are_the_same_images(tmp_path, change, warning):
    """Floats up to 255 and channels first are read, and said."""
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    np.savez(tmp_path / "b.npz", x=change(X), y=Y)
    found = read(tmp_path / "b.npz")

    assert found.digests == read(tmp_path / "a.npz").digests
    assert any("array x" in text for text in found.warnings) == bool(warning)
    assert not warning or any(warning in text for text in found.warnings)


@pytest.mark.parametrize(
    ("low", "high", "limit"), [(-0.04, 1.05, 1), (0, 1.7, 1), (0, 1.1, 1), (-12.0, 262.0, 255), (0, 255.5, 255)]
)
def test_floats_a_little_outside_are_cut_off(tmp_path, low, high, limit):
    """As a cubic filter makes them; a warning has the range and the share of the values."""
    x = X.astype(np.float64) * limit / 255
    x[0, 0, 0, 0], x[1, 0, 0, 0] = low, high
    np.savez(tmp_path / "a.npz", x=x, y=Y)
    manifest = read(tmp_path / "a.npz")

    assert np.array_equal(manifest.images.pixels[2:], X[2:])
    assert (manifest.images.pixels[0, 0, 0, 0], manifest.images.pixels[1, 0, 0, 0]) == (0, 255)
    assert any(f"read as 0 to {limit}, and 0.0" in text for text in manifest.warnings)


def test_array_of_an_npy_file_is_images_without_labels(tmp_path):
    """One image or many; training says what is missing."""
    np.save(tmp_path / "many.npy", X)
    np.save(tmp_path / "one.npy", X[0])
    np.save(tmp_path / "flat.npy", X.reshape(len(X), -1))

    assert (len(read(tmp_path / "many.npy")), len(read(tmp_path / "one.npy"))) == (90, 1)
    with pytest.raises(
        DataLayoutError, match=r"None of the 90 images has a label\. .*an \.npz file with the arrays x and y"
    ):
        require_task(read(tmp_path / "many.npy"))
    with pytest.raises(DataLayoutError, match=r"Received: \(90, 192\)\. Reshape rows"):
        read(tmp_path / "flat.npy")


def test_arrays_without_names_are_told_apart_by_their_shapes(tmp_path):
    """`np.savez(file, x, y)`: one array of images and one of labels are read, with a warning; more are a question."""
    np.savez(tmp_path / "a.npz", X, np.eye(3)[Y])
    np.savez(tmp_path / "images.npz", X)
    np.savez(tmp_path / "four.npz", X[:60], Y[:60], X[60:], Y[60:])
    found = read(tmp_path / "a.npz")

    assert found.labels == tuple(map(str, Y))
    assert "The arrays have no names: arr_0 is read as the images, arr_1 as their labels." in found.warnings
    assert set(read(tmp_path / "images.npz").labels) == {None}
    with pytest.raises(DataLayoutError, match=r"no names\. Received: arr_0 \(60, 8, 8, 3\), arr_1 \(60,\).*np\.savez"):
        read(tmp_path / "four.npz")


@pytest.mark.parametrize(
    ("x", "cure"),
    [
        (X[..., :2], r"Choose 1, 3 or 4 channels"),
        (np.moveaxis(X, 0, -1), r"np\.moveaxis\(x, -1, 0\)"),
        (X[:, None], "with reshape"),
        (X.astype(np.int8), r"Shift values with a sign"),
        (X.astype(np.complex64), "Convert it to one of these types"),
        (X.astype(np.int32) * 1000, "Divide them by their largest possible value"),
    ],
)
def test_arrays_that_are_no_images_are_refused_with_the_cure(tmp_path, x, cure):
    """Whatever shape, type or range they have."""
    np.savez(tmp_path / "a.npz", x=x, y=Y)

    with pytest.raises(DataLayoutError, match=cure):
        read(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("shape", "cure"),
    [
        ((8, 8, 20), "with np.moveaxis(x, -1, 0)"),
        ((8, 8, 3), "give it as x[None]"),
        ((3, 8, 8), "give it as x[None]"),
        ((20, 8, 8), None),
        ((8, 9, 20), None),
    ],
)
def test_gray_images_that_may_be_something_else_are_said(tmp_path, shape, cure):
    """Without labels nothing else shows that the first dimension is not that of the images."""
    np.savez(tmp_path / "a.npz", x=np.arange(np.prod(shape)).astype(np.uint8).reshape(shape))

    found = [text for text in read(tmp_path / "a.npz").warnings if f"read as {shape[0]} gray images" in text]
    assert [cure in text for text in found] == ([True] if cure else [])


def test_arrays_that_are_not_used_are_counted(tmp_path):
    """Names of files or of people beside the images; an array that the user leaves out, too."""
    others = {"split": np.array(WORDS * 9), "authors": np.array(["a", "b", "c"]), "x_old": X}
    np.savez(tmp_path / "a.npz", x=X, y=Y, **others)
    found = read(tmp_path / "a.npz", ignore_column=("x_old",))

    assert [entry.kind for entry in found.ignored] == ["array authors", "array x_old"]


def test_few_groups_and_images_without_one_are_said(write):
    """Why there is no validation image, and what is split on its own."""
    one = read(write("path,label,group", ["x"] * 10))
    some = read(write("path,label,group", ["x", "y", ""] * 3 + ["y"]))

    assert any("there are 1 groups only, so none is left for validation" in text for text in one.warnings)
    assert "3 of 10 images have no group; each of them is split on its own." in some.warnings


def test_dark_part_of_floats_is_judged_with_the_others(tmp_path):
    """A dark test split of an array up to 255 is not stretched to white."""
    np.savez(tmp_path / "a.npz", x_train=X[:60] * 1.0, y_train=Y[:60], x_test=np.ones((9, 8, 8, 3)), y_test=Y[:9])
    manifest = read(tmp_path / "a.npz")

    assert manifest.images.pixels[60:].max() == 1


def test_one_hot_labels_are_read_and_others_refused(tmp_path):
    """A row with several ones has several labels."""
    one_hot = np.eye(3)[Y]
    np.savez(tmp_path / "a.npz", x=X, y=one_hot)
    assert read(tmp_path / "a.npz").labels == tuple(map(str, Y))

    one_hot[3] = 1
    np.savez(tmp_path / "a.npz", x=X, y=one_hot)
    with pytest.raises(DataLayoutError, match=r"1 of 90 have not a single 1\. Are several labels per image meant"):
        read(tmp_path / "a.npz")

    np.savez(tmp_path / "a.npz", x=X, y=one_hot * 0.5)
    with pytest.raises(DataLayoutError, match=r"neither one-hot nor several labels"):
        read(tmp_path / "a.npz")


def test_rows_of_several_labels_and_of_numbers_are_read(tmp_path):
    """0 and 1 in an array (N, K) are labels; other numbers are columns of a regression, if one is asked for."""
    flags = (np.arange(90)[:, None] // (1, 2, 4)) % 2
    np.savez(tmp_path / "a.npz", x=X, y=flags, class_names=["tame", "wild", "red"])
    manifest = require_task(read(tmp_path / "a.npz"))
    assert (manifest.kind, manifest.classes) == ("multilabel", ("tame", "wild", "red"))
    assert manifest.targets[:9].tolist() == flags[:9].tolist()

    np.savez(tmp_path / "a.npz", x=X, y=np.stack([Y, Y * 0.5], axis=1))
    manifest = require_task(read(tmp_path / "a.npz", task="regression"))
    assert (manifest.classes, manifest.targets[4].tolist()) == (("0", "1"), [Y[4], Y[4] * 0.5])


def test_arrays_of_splits_and_groups_are_used(tmp_path):
    """An array with one value per image is a column, and asked about like one."""
    words = np.array(["train", "val", "test"] * 30)
    np.savez(tmp_path / "a.npz", x=X, y=Y, split=words)
    assert read(tmp_path / "a.npz").splits[:3] == ("train", "validation", "test")

    np.savez(tmp_path / "a.npz", x=X, y=Y, group=np.arange(90) // 9, ids=np.arange(90))
    splits = read(tmp_path / "a.npz").splits
    assert all(len(set(splits[start : start + 9])) == 1 for start in range(0, 90, 9))

    np.savez(tmp_path / "a.npz", x=X, y=Y, patient=np.arange(90) // 9)
    with pytest.raises(DataLayoutError, match=r"'patient' with several images.*--ignore-column patient"):
        read(tmp_path / "a.npz")


@pytest.mark.parametrize("change", [str.upper, lambda path: path.replace("img", "Img"), lambda path: f"{path[:-3]}PNG"])
def test_paths_in_other_capital_letters_are_found(write, rows, change):
    """As where the table was made; a warning says so. Another ending is only named."""
    manifest = read(write(path=change))

    assert manifest.names == tuple(path for path, _ in rows)
    assert any(
        "10 of 10 paths differ from the names of their files in capital letters" in text for text in manifest.warnings
    )
    with pytest.raises(DataLayoutError, match=r"no such file: there is '0000\.png'"):
        read(write(path=lambda path: f"{path[:-3]}jpg"))


@pytest.mark.parametrize("column", ["label", "split"])
def test_class_or_split_without_any_file_is_an_error(write, rows, tmp_path, column):
    """It would vanish otherwise, and a head would be trained on the rest."""
    table = write("path,label,split", WORDS)
    for row, (path, label) in enumerate(rows):
        if (label == "cats") if column == "label" else SPLITS[row] == "test":
            (tmp_path / path).unlink()

    with pytest.raises(
        DataLayoutError,
        match=r"No image of the (class 'cats'|split 'test') can be read: .*no such file.*remove the rows",
    ):
        read(table)


@pytest.mark.parametrize("with_ending", [True, False])
def test_names_without_a_folder_are_found_below(write, tmp_path, rows, with_ending):
    """Ids and file names of images that are spread over folders; a warning says so, and two of one name are a question."""
    for number, (path, _) in enumerate(rows):
        folder = tmp_path / "img" / f"part{number % 3}"
        folder.mkdir(exist_ok=True)
        (tmp_path / path).rename(folder / (tmp_path / path).name)
    name = (lambda path: path[4:]) if with_ending else (lambda path: path[4:-4])
    table = write("id,label", path=name)
    manifest = read(table, root=tmp_path / "img")

    assert manifest.names == tuple(f"part{number % 3}/{number:04d}.png" for number in range(10))
    assert any("10 of 10 paths are names without a folder" in text for text in manifest.warnings)
    shutil.copy(tmp_path / "img/part0/0000.png", tmp_path / "img/part1/0000.png")
    assert [entry.reason for entry in read(table).skipped] == [
        "several images have this name: img/part0/0000.png, img/part1/0000.png"
    ]


def test_empty_lines_and_missing_splits_mean_nothing(write):
    """Lines before the header are skipped; a missing value of any spelling is no split."""
    table = write("path,label,split", ["train", "nan", "NA", *WORDS[3:]])
    table.write_text("\n\n" + table.read_text())

    assert read(table).splits == SPLITS


@pytest.mark.parametrize(
    "write_json",
    [
        lambda rows: [{"path": path, "label": label} for path, label in rows],
        lambda rows: {"path": [path for path, _ in rows], "label": [label for _, label in rows]},
        lambda rows: {
            "path": {str(n): row[0] for n, row in enumerate(rows)},
            "label": {str(n): row[1] for n, row in enumerate(rows)},
        },
        lambda rows: {"version": 1, "data": [{"file_name": path, "label": label} for path, label in rows]},
        dict,
        lambda rows: {path: {"label": label} for path, label in rows},
        lambda rows: [{"image": {"path": path}, "label": label} for path, label in rows],
        lambda rows: [{"image": {"path": path}, "image.path": path, "label": label} for path, label in rows],
    ],
)
@pytest.mark.parametrize("indent", [None, 1])
def test_json_is_read_in_the_forms_that_people_have(tmp_path, rows, write_json, indent):
    """Rows, columns as pandas writes them, a list inside an object, labels by name, and paths in an object."""
    (tmp_path / "table.json").write_text(json.dumps(write_json(rows), indent=indent))
    manifest = read(tmp_path / "table.json")

    assert list(zip(manifest.names, manifest.labels, strict=True)) == rows


def test_rows_of_numbered_columns_belong_together_by_their_numbers(tmp_path, rows):
    """In whatever order each column has them."""
    table = {"path": dict(enumerate(dict(rows))), "label": dict(reversed(list(enumerate(label for _, label in rows))))}
    (tmp_path / "table.json").write_text(json.dumps(table))
    manifest = read(tmp_path / "table.json")

    assert list(zip(manifest.names, manifest.labels, strict=True)) == rows


@pytest.mark.parametrize("name", ["table.json", "table.jsonl"])
def test_name_that_comes_twice_in_json_is_an_error(tmp_path, rows, name):
    """Unless both values are the same: Python would keep the last one."""
    line = '{"path": "img/0000.png", "label": "cat", "label": "%s"}'
    (tmp_path / name).write_text(line % "cat")
    assert read(tmp_path / name).labels == ("cat",)

    (tmp_path / name).write_text(line % "dog")
    with pytest.raises(DataLayoutError, match=r"the name 'label' twice, with different values \('cat' and 'dog'\)"):
        read(tmp_path / name)


def test_classes_that_are_named_as_columns_of_paths(tmp_path, rows):
    """Lists of different lengths are classes; of one length they may be columns. A single list, and two columns of paths, are columns."""
    paths = [path for path, _ in rows]
    table = tmp_path / "table.json"
    table.write_text(json.dumps({"photo": paths[:-1], "drawing": paths[-1:]}))
    assert set(read(table).labels) == {"photo", "drawing"}
    table.write_text(json.dumps({"drawing": paths[:2], "photo": paths[2:4]}))
    with pytest.raises(
        DataLayoutError,
        match=r"'photo' may be a class, or a column of paths\. For classes, write \{\"1\.jpg\": \"photo\"",
    ):
        read(table)
    for columns in ({"photo": paths}, {"path": paths, "image": paths}):
        table.write_text(json.dumps(columns))
        assert set(read(table).labels) == {None}


def test_json_of_another_form_is_refused(tmp_path):
    """With what was expected, and without all of its content."""
    (tmp_path / "coco.json").write_text(
        json.dumps({"images": [{"id": 1}] * 99, "annotations": [{"id": 1}] * 9, "info": {}})
    )

    with pytest.raises(
        DataLayoutError,
        match=r"coco.json is not a table. Expected a list of objects.*'images', 'annotations', 'info'\.$",
    ):
        read(tmp_path / "coco.json")


def test_columns_of_truth_values_for_all_splits_are_read(write):
    """`train`, `val` and `test` of which one is true in each row."""
    flags = [",".join(str(int(word == split)) for split in ("train", "val", "test")) for word in WORDS]

    assert read(write("path,label,train,val,test", flags)).splits == SPLITS
    assert read(write("path,label,train_mask,val_mask,test_mask", flags)).splits == SPLITS


@pytest.mark.parametrize("name", ["train_idx", "test_indices", "val_ids"])
def test_array_of_positions_in_a_split_is_a_question(tmp_path, name):
    """The images would be split by percentages otherwise; beside arrays of each split it says nothing new."""
    np.savez(tmp_path / "a.npz", x=X, y=Y, **{name: np.arange(60)})
    with pytest.raises(DataLayoutError, match=rf"'{name}' \(60,\) seems to say .*--ignore-column {name}"):
        read(tmp_path / "a.npz")
    assert len(read(tmp_path / "a.npz", ignore_column=(name,))) == 90

    np.savez(tmp_path / "a.npz", x_train=X[:60], y_train=Y[:60], x_test=X[60:], y_test=Y[60:], **{name: np.arange(60)})
    assert read(tmp_path / "a.npz").splits.count("test") == 30


def test_words_of_fer2013_are_splits(write):
    """`Usage` is a question; the option that the message names answers it."""
    words = [{"train": "Training", "val": "PublicTest", "test": "PrivateTest"}[word] for word in WORDS]
    table = write("path,label,Usage", words)

    with pytest.raises(
        DataLayoutError, match=r"'Usage' that seems to set the splits.* Use it with --split-column Usage"
    ):
        read(table)
    assert read(table, split_column="Usage").splits == SPLITS
    other = write("path,label,Usage", [f"{word} {number}" for number, word in enumerate(WORDS)])
    with pytest.raises(
        DataLayoutError, match=r"Write train, validation or test in it and use it with --split-column Usage"
    ):
        read(other)


@pytest.mark.parametrize("header", ["name,label,is_valid", "id_code,diagnosis,x", "FILE PATH,Class Name,x"])
def test_file_urls_are_paths(write, tmp_path, header):
    """Of this machine; the names are those of well-known tables."""
    table = write(header, [0, 1] * 5, path=lambda path: f"file://{tmp_path}/{path}")

    assert len(read(table, label="diagnosis" if "diagnosis" in header else "label")) == 10


def test_columns_of_one_name_that_differ_may_be_left_out(write):
    """They are an error that names the cure: of two notes none is needed, and of two labels nobody knows which."""
    table = write("path,label,note,note", [f"{number},x" for number in range(10)])

    with pytest.raises(DataLayoutError, match=r"two columns 'note' with different values.*--ignore-column note"):
        read(table)
    assert len(read(table, ignore_column=("note",))) == 10


def test_column_that_looks_like_paths_is_named(write):
    """Its name is not known; the error has the option with it."""
    table = write("Image Index,Finding")

    with pytest.raises(
        DataLayoutError, match=r"The values of 'Image Index' look like them: --path-column 'Image Index'"
    ):
        read(table)
    assert read(table, path_column="Image Index", label="Finding").classes == ("cats", "dogs")


def test_fields_may_have_line_ends_and_decimal_commas(write):
    """In quotes, and beside semicolons."""
    assert len(read(write("path,label,note", [f'"a\n{number}, b"' for number in range(10)]))) == 10
    assert len(read(write("path;label;area", [f"1,{number}" for number in range(10)]))) == 10


def test_rows_of_one_image_are_its_labels(tmp_path, rows):
    """A table with a row for each label, as Open Images has it: nothing of it is a contradiction if several labels are asked for."""
    tags = [(path, tag) for number, (path, _) in enumerate(rows) for tag in ("red", "big", "?old")[: 1 + number % 3]]
    table = tmp_path / "tags.csv"
    table.write_text("path,tag,Confidence\n" + "".join(f"{path},{tag},{tag != 'big':d}\n" for path, tag in tags))
    joined, asked = read(table, label="tag", task="multilabel"), read(table, label="tag")

    assert joined.names == tuple(path for path, _ in rows)
    assert joined.labels[:3] == ("red", "big|red", "?old|big|red")
    assert (
        "the labels of 19 rows are those of 10 images. If no in 'Confidence' means that the label is not"
        in joined.warnings[0]
    )
    assert not any("more than one label" in warning for warning in joined.warnings)
    assert any(warning.endswith("several labels: --task multilabel.") for warning in asked.warnings)


def test_rows_of_one_image_in_two_splits_stay_apart(tmp_path, rows):
    """Which of the splits is meant is not known; it is said that the image is in both."""
    table = tmp_path / "tags.csv"
    lines = [f"{path},{tag},{split}\n" for path, _ in rows for tag, split in (("red", "train"), ("big", "test"))]
    table.write_text("path,tag,split\n" + "".join(lines))
    manifest = read(table, label="tag", task="multilabel")

    assert len(manifest) == 20
    assert any("in more than one split" in warning for warning in manifest.warnings)


@pytest.mark.parametrize("kind", ["frame", "parquet"])
def test_objects_in_cells_are_columns(kind, tmp_path, rows):
    """As in JSON; their text was a class of its own for each score."""
    cells = [{"name": label, "score": number / 7} for number, (_, label) in enumerate(rows)]
    frame = pd.DataFrame({"path": [str(tmp_path / path) for path, _ in rows], "label": [*cells[:-1], None]})
    if kind == "parquet":
        parquet.write_table(pa.Table.from_pandas(frame), tmp_path / "t.parquet")
    data = frame if kind == "frame" else tmp_path / "t.parquet"

    assert read(data).label_choices == ("label.name", "label.score")
    assert read(data, label="label.name").labels == (*(label for _, label in rows[:-1]), None)
