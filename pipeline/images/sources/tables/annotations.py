"""Tables in the JSON files that tools for annotation export: COCO, VIA, Label Studio and CreateML.

An image gets the label of its annotations, or all of them where they differ; boxes and outlines are not used.

| tool | how it is known | image | labels |
|---|---|---|---|
| COCO | `images`, `annotations` and `categories` | `file_name` | names of the categories of its annotations |
| VIA | `filename` and `regions` in each object, also below `_via_img_metadata` | `filename` | each attribute of the file is a column |
| Label Studio | a list of tasks with `data` and `annotations` | the first path or URL in `data` | the choices or labels of the first annotation that was not cancelled |
| CreateML | a list of objects with `image` and `annotations` | `image` | the `label` of each annotation |
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import DataLayoutError
from pipeline.images.labels import listed, natural_key

Row = Mapping[str, Any]

_CHOICES = (
    "choices",
    "rectanglelabels",
    "polygonlabels",
    "brushlabels",
    "keypointlabels",
    "ellipselabels",
    "labels",
    "taxonomy",
)
"""Where Label Studio keeps the answers of its kinds of questions."""


@dataclass(frozen=True)
class Export:
    """What a tool for annotation has exported."""

    tool: str
    rows: Sequence[Row]
    warnings: tuple[str, ...] = ()
    """What the user should know about the annotations: a sentence each."""


def rows_of_annotations(value: Any) -> Export | None:
    """One row for each image, with the columns `path` and `label`; None if it is none of these exports.

    Raises:
        DataLayoutError: Two images of a COCO file have one id, or it does not list a category.
    """
    if isinstance(value, Mapping):
        return _coco(value) or _via(value)
    objects = isinstance(value, Sequence) and bool(value) and all(isinstance(row, Mapping) for row in value)
    return (_label_studio(value) or _create_ml(value)) if objects else None


def _coco(value: Mapping[str, Any]) -> Export | None:
    parts = [value.get(name) for name in ("images", "annotations", "categories")]
    if not all(map(_are_objects, parts)):
        return None
    images, annotations, categories = parts
    # As texts: some programs write the number of an image as a text in one place, and as a number in the other.
    names = {str(category.get("id")): category.get("name", category.get("id")) for category in categories or ()}
    labels: dict[str, list[Any]] = {str(image.get("id")): [] for image in images or ()}
    if len(labels) < len(images or ()):
        raise DataLayoutError(
            f"The COCO file lists {len(images or ()):,} images under {len(labels):,} different ids, so it is not known which annotations are "
            "whose. Give each image an id of its own; files that were joined need new ids."
        )
    for annotation in annotations or ():
        # Of an image that is not listed: files of fewer images often keep the annotations of all.
        labels.get(str(annotation.get("image_id")), []).append(_category_name(names, annotation))
    rows = [{"path": image.get("file_name"), "label": _joined(labels[str(image.get("id"))])} for image in images or ()]
    return Export("COCO", rows)


def _category_name(names: Mapping[str, Any], annotation: Row) -> Any:
    """The name of an annotation's category.

    Raises:
        DataLayoutError: The file does not list it.
    """
    category = str(annotation.get("category_id"))
    if category not in names:
        ids: list[str] = sorted(names, key=natural_key)
        raise DataLayoutError(
            f"An annotation of the COCO file has the category_id {category}, which its categories do not list (their ids: {listed(ids)}). "
            "Add the category, or remove the annotation."
        )
    return names[category]


def _via(value: Mapping[str, Any]) -> Export | None:
    files = value.get("_via_img_metadata", value)
    files = list(files.values()) if isinstance(files, Mapping) else []
    if not files or not all(isinstance(file, Mapping) and {"filename", "regions"} <= file.keys() for file in files):
        return None
    return Export("VIA", [{"path": file["filename"], **_attributes(file)} for file in files])


def _attributes(file: Row) -> dict[str, Any]:
    """The attributes of a file, or of its regions where it has none."""
    own = file.get("file_attributes")
    if isinstance(own, Mapping) and own:
        return {name: _joined(_ticked(value)) for name, value in own.items()}
    regions = file["regions"].values() if isinstance(file["regions"], Mapping) else file["regions"]
    found: dict[str, list[Any]] = defaultdict(list)
    for region in regions if _are_objects(list(regions)) else ():
        attributes = region.get("region_attributes")
        for name, text in attributes.items() if isinstance(attributes, Mapping) else ():
            found[name] += _ticked(text)
    return {name: _joined(texts) for name, texts in found.items()}


def _ticked(value: Any) -> list[Any]:
    """The answers of one attribute: what is true of a list of boxes to tick, or the value itself."""
    return [name for name, is_on in value.items() if is_on] if isinstance(value, Mapping) else [value]


def _label_studio(value: Sequence[Row]) -> Export | None:
    if not all(isinstance(task.get("data"), Mapping) and "annotations" in task for task in value):
        return None
    given = [[list(dict.fromkeys(_answers(annotation))) for annotation in _annotations(task)] for task in value]
    rows = [
        {"path": _first_path(task["data"]), "label": _joined(labels[0] if labels else ())}
        for task, labels in zip(value, given, strict=True)
    ]
    return Export("Label Studio", rows, _note_on_disagreement(rows, given))


def _note_on_disagreement(rows: Sequence[Row], given: Sequence[Sequence[Sequence[str]]]) -> tuple[str, ...]:
    """A sentence that counts the images whose annotations have different labels, in any order; or none."""
    unlike = [row for row, labels in enumerate(given) if len(set(map(frozenset, labels))) > 1]
    if not unlike:
        return ()
    shown = [" and ".join(labels) or "no label" for labels in given[unlike[0]]]
    note = (
        f"The annotations of {len(unlike):,} of {len(rows):,} images differ (the first: {rows[unlike[0]]['path']}: {listed(shown, 3)}). The first "
        "annotation of each image is read. Cancel the wrong ones, or leave these images out."
    )
    return (note,)


def _first_path(data: Row) -> str | None:
    texts = [text for text in data.values() if isinstance(text, str)]
    return next((text for text in texts if "/" in text or "." in text), texts[0] if texts else None)


def _annotations(task: Row) -> list[Row]:
    """Those that were not cancelled."""
    return [each for each in task["annotations"] or () if isinstance(each, Mapping) and not each.get("was_cancelled")]


def _answers(annotation: Row) -> Iterator[str]:
    """The labels of an annotation."""
    for result in annotation.get("result") or ():
        answer = result.get("value") if isinstance(result, Mapping) else None
        given_names = {**answer} if isinstance(answer, Mapping) else {}
        for name in _CHOICES:
            for text in given_names.get(name) or ():
                if text is not None:
                    yield "/".join(map(str, text)) if isinstance(text, list) else str(text)


def _create_ml(value: Sequence[Row]) -> Export | None:
    if not all(isinstance(row.get("image"), str) and _are_objects(row.get("annotations")) for row in value):
        return None
    rows = [{"path": row["image"], "label": _joined(each.get("label") for each in row["annotations"])} for row in value]
    return Export("CreateML", rows)


def _are_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, Mapping) for each in value)


def _joined(labels: Iterable[Any]) -> list[str] | str | None:
    """One label, several different ones in a list, or None."""
    found = list(dict.fromkeys(str(label) for label in labels if label is not None))
    return found if len(found) > 1 else found[0] if found else None
