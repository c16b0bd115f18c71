"""Tables in the JSON files of tools for annotation."""

import json

import pytest

from pipeline.errors import DataLayoutError
from pipeline.images.sources.tables.annotations import Export, rows_of_annotations
from tests.calls import read
from tests.conftest import draw_photo

NAMES = ("1.png", "2.png", "3.png")
EXPORTS = {
    "COCO": {
        "info": {},
        "images": [{"id": 10 + number, "file_name": name} for number, name in enumerate(NAMES)],
        "annotations": [
            {"image_id": 10, "category_id": 7, "bbox": [0, 0, 1, 1]},
            {"image_id": 10, "category_id": 7},
            {"image_id": 11, "category_id": 8},
            {"image_id": 11, "category_id": 7},
        ],
        "categories": [{"id": 7, "name": "cat"}, {"id": 8, "name": "dog"}],
    },
    "VIA": {
        "_via_settings": {},
        "_via_img_metadata": {
            f"{name}123": {
                "filename": name,
                "regions": [{"region_attributes": {"label": label}} for label in labels],
                "file_attributes": {},
            }
            for name, labels in zip(NAMES, (["cat", "cat"], ["dog", "cat"], []), strict=True)
        },
    },
    "Label Studio": [
        {
            "id": number,
            "data": {"title": "a title", "image": f"/data/local-files/?d={name}"},
            "annotations": [
                {"was_cancelled": True, "result": [{"value": {"choices": ["bird"]}}]},
                {"result": [{"value": {"choices": labels}, "type": "choices"}] if labels else []},
            ],
        }
        for number, (name, labels) in enumerate(zip(NAMES, (["cat"], ["dog", "cat"], []), strict=True))
    ],
    "CreateML": [
        {"image": name, "annotations": [{"label": label, "coordinates": {}} for label in labels]}
        for name, labels in zip(NAMES, (["cat", "cat"], ["dog", "cat"], []), strict=True)
    ],
}


@pytest.mark.parametrize("tool", EXPORTS)
def test_images_have_the_labels_of_their_annotations(tool, tmp_path):
    """One row for each image, whatever the number of boxes; an image without annotations has no label, and a warning names the tool."""
    for number, name in enumerate(NAMES):
        draw_photo(tmp_path / name, (90, 90, 90), number, (8, 8))
    (tmp_path / "export.json").write_text(json.dumps(EXPORTS[tool]))
    manifest = read(tmp_path / "export.json")

    assert manifest.names == NAMES
    assert [sorted(label.split("|")) if label else label for label in manifest.labels] == [
        ["cat"],
        ["cat", "dog"],
        None,
    ]
    assert any(
        f"export.json is read as an export of {tool}: one row for each image" in text for text in manifest.warnings
    )


def test_category_without_a_name_is_its_id():
    """Its images would have no label otherwise."""
    rows = rows_of_annotations({**EXPORTS["COCO"], "categories": [{"id": 7}, {"id": 8, "name": "dog"}]}).rows

    assert [row["label"] for row in rows] == ["7", ["dog", "7"], None]


def test_ids_of_coco_are_numbers_or_texts():
    """Some programs write an image's id as a text in its annotations."""
    coco = EXPORTS["COCO"]
    texts = [{key: str(value) for key, value in each.items()} for each in coco["annotations"]]

    assert rows_of_annotations({**coco, "annotations": texts}) == rows_of_annotations(coco)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"categories": [{"id": 7, "name": "cat"}]}, r"category_id 8, .* do not list \(their ids: 7\)"),
        ({"images": [{"id": 10, "file_name": name} for name in NAMES]}, "3 images under 1 different ids"),
    ],
)
def test_coco_whose_ids_do_not_fit_is_refused(change, message):
    """Labels would be lost, or go to other images."""
    with pytest.raises(DataLayoutError, match=message):
        rows_of_annotations({**EXPORTS["COCO"], **change})


@pytest.mark.parametrize("is_of_file", [True, False])
def test_ticked_boxes_are_the_labels(is_of_file):
    """VIA keeps a list of boxes to tick as an object of truth values."""
    ticked = {"animal": {"cat": True, "dog": False, "owl": True}}
    regions = [] if is_of_file else [{"region_attributes": ticked}]
    files = {"1": {"filename": "1.png", "regions": regions, "file_attributes": ticked if is_of_file else {}}}

    assert rows_of_annotations(files) == Export("VIA", [{"path": "1.png", "animal": ["cat", "owl"]}])


def test_attributes_of_a_file_are_columns():
    """VIA keeps answers about a whole image beside its regions."""
    files = {"1": {"filename": "1.png", "regions": {}, "file_attributes": {"animal": "cat", "age": "3"}}}

    assert rows_of_annotations(files) == Export("VIA", [{"path": "1.png", "animal": "cat", "age": "3"}])


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        [1],
        {"images": [], "annotations": {}, "categories": []},
        {"images": [{"file_name": "1.png"}]},
        {"1.png": {"filename": "1.png"}},
        [{"image": "1.png", "annotations": ["cat"]}],
        [{"data": {"image": "1.png"}}],
        [{"path": "1.png", "label": "cat"}],
    ],
)
def test_other_files_are_none(value):
    """They are tables of other forms, or no tables."""
    assert rows_of_annotations(value) is None


@pytest.mark.parametrize(
    "value",
    [
        {"images": [{}], "annotations": [{}], "categories": [{}]},
        {"1": {"filename": None, "regions": [1]}},
        {"1": {"filename": "1.png", "regions": [{"region_attributes": 3}]}},
        [{"data": {}, "annotations": None}, {"data": {"a": 1}, "annotations": [{"result": [{"value": 3}, 4]}]}],
        [{"image": "1.png", "annotations": [{}]}],
    ],
)
def test_incomplete_export_has_rows_without_what_is_missing(value):
    """Nothing of it is trusted: files come from elsewhere."""
    rows = rows_of_annotations(value).rows

    assert all(row.get("label") is None for row in rows)


def annotated(*labels, **more):
    """A task of Label Studio: one annotation for each list of labels."""
    found = [{"result": [{"value": {"choices": names}}], **more} for names in labels]
    return {"data": {"image": "1.png"}, "annotations": found}


def test_annotators_who_disagree_are_counted():
    """The first annotation is read; the order of labels, and annotations that were cancelled, are no difference."""
    agreeing = [annotated(["cat"], ["cat"]), annotated(["cat", "owl"], ["owl", "cat"]), annotated(["owl"])]
    torn = [annotated(["cat"], ["dog"], ["cat", "owl"]), annotated([], ["dog"])]
    found = rows_of_annotations([*agreeing, *torn])

    assert [row["label"] for row in found.rows] == ["cat", ["cat", "owl"], "owl", "cat", None]
    assert len(found.warnings) == 1
    assert found.warnings[0].startswith(
        "The annotations of 2 of 5 images differ (the first: 1.png: cat, dog, cat and owl)."
    )
    assert rows_of_annotations(agreeing).warnings == ()
    torn[0]["annotations"][1]["was_cancelled"] = True
    torn[0]["annotations"][2]["was_cancelled"] = True
    assert rows_of_annotations(torn[:1]).warnings == ()
