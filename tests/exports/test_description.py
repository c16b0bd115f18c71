"""The description in an exported file; with real networks in test_formats.py."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import DamagedStoreError
from pipeline.exports.description import (
    NAME,
    Description,
    PValues,
    add_member,
    check_shapes,
    read_file,
    read_member,
)
from pipeline.images.decoding.decoder import Decoder
from pipeline.tasks.classification import Classification
from pipeline.tasks.multilabel import Multilabel
from pipeline.tasks.operating import Goal
from pipeline.tasks.regression import Regression

DESCRIPTION = Description(
    Classification(("Ameise", "蜂", "two\nlines")), Decoder(12, "nearest", exif=False), {"run": "mine", "cut": None}
)


def test_description_comes_back_from_its_text():
    """Labels of any script, the decoder and the origin."""
    assert Description.from_json(DESCRIPTION.to_json(), Path("model")) == DESCRIPTION


@pytest.mark.parametrize(
    "task",
    [
        Classification(("no", "yes"), 0.25, goal=Goal("recall", 0.9)),
        Multilabel(("cat", "dog"), (0.25, 0.5), goal=Goal("f1")),
        Regression(("age", "height"), (2.5, 10.0)),
    ],
)
def test_description_has_what_the_task_decides(task):
    """Thresholds with their goal, or half widths of intervals, for readers with this package and without."""
    description = replace(DESCRIPTION, task=task)
    content = json.loads(description.to_json())

    assert Description.from_json(description.to_json(), Path("model")) == description
    assert content["labels"] == list(task.names)
    assert content["task"] == task.as_dict()


def test_description_of_an_older_version_is_a_classification():
    """Up to 0.3 there was no other task."""
    content = json.loads(DESCRIPTION.to_json())
    del content["task"], content["outputs"]

    assert Description.from_json(json.dumps(content), Path("model")) == DESCRIPTION


def test_text_says_what_the_network_takes_and_gives():
    """For readers without this package: labels in order, shape and range of the pixels, and what the outputs are."""
    content = json.loads(DESCRIPTION.to_json())
    numbers = json.loads(replace(DESCRIPTION, task=Regression(("age",))).to_json())

    assert content["labels"] == list(DESCRIPTION.task.names)
    assert "(N, 12, 12, 3): RGB, 0 to 255" in content["pixels"]
    assert content["outputs"] == "float32 of shape (N, 3): probabilities in the order of the labels"
    assert numbers["outputs"] == "float32 of shape (N, 1): values in the order of the labels"


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": 2},
        {"labels": []},
        {"labels": ["a", 1]},
        {"labels": None},
        {"decoder": {"size_px": 10**6}},
        {"decoder": {"size_px": 12, "resize": "magic"}},
        {"decoder": {"size_px": 12, "other": 1}},
        {"origin": []},
        {"labels": "abc"},
        {"labels": {"a": 1}},
        {"labels": [["a"]]},
        {"task": "classification"},
        {"task": []},
        {"task": {}},
        {"task": {"kind": "magic"}},
        {"task": {"kind": "classification", "threshold": 0.5}},
        {"task": {"kind": "multilabel", "thresholds": [0.5, 0.5]}},
        {"task": {"kind": "multilabel", "thresholds": [0.5, 0.5, 10**400]}},
        {"task": {"kind": "multilabel", "thresholds": {"a": 1}}},
        {"task": {"kind": "regression", "half_widths": [-1, 1, 1]}},
        {"task": {"kind": "regression", "half_widths": [float("nan"), 1, 1]}},
        {"task": {"kind": "classification", "goal": "magic"}},
        {"task": {"kind": "classification", "calibration": {"kind": "magic"}}},
    ],
    ids=str,
)
def test_impossible_values_are_damage(changes):
    """Each of them is checked, and the message names the file."""
    text = json.dumps(json.loads(DESCRIPTION.to_json()) | changes)

    with pytest.raises(
        DamagedStoreError, match=r"The description in model\.onnx |model\.onnx has a description that cannot be read: "
    ):
        Description.from_json(text, Path("model.onnx"))


def test_member_is_appended_to_a_file_that_stays_what_it_was(tmp_path):
    """The network's bytes come first and do not change; each label has one line of its own."""
    path = tmp_path / "model.tflite"
    path.write_bytes(b"a network" * 100)
    add_member(path, DESCRIPTION)

    assert path.read_bytes().startswith(b"a network" * 100)
    assert read_member(path) == DESCRIPTION
    with zipfile.ZipFile(path) as archive:
        assert archive.read("labels.txt").decode() == "Ameise\n蜂\ntwo lines\n"


@pytest.mark.parametrize("content", [None, b"", b"no archive", "other members"], ids=str)
def test_file_without_a_description_is_no_export(content, tmp_path):
    """Whatever else it is."""
    path = tmp_path / "model.keras"
    if content == "other members":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", "{}")
    elif content is not None:
        path.write_bytes(content)

    with pytest.raises(DamagedStoreError, match=rf"has no readable description \({NAME}\)"):
        read_member(path)


def test_separate_file_is_read_or_missed(tmp_path):
    """A SavedModel has its description beside the network."""
    (tmp_path / NAME).write_text(DESCRIPTION.to_json(), encoding="utf-8")

    assert read_file(tmp_path / NAME) == DESCRIPTION
    with pytest.raises(DamagedStoreError, match="so it is no export of a run"):
        read_file(tmp_path / "gone.json")


def test_network_must_have_the_described_shapes():
    """One label too few, or another size, would give wrong names without an error."""
    check_shapes(Path("model"), DESCRIPTION, (None, 12, 12, 3), (None, 3))
    for inputs, outputs in (((None, 12, 13, 3), (None, 3)), ((None, 12, 12, 3), (None, 4))):
        with pytest.raises(DamagedStoreError, match="describes 12 px and 3 labels"):
            check_shapes(Path("model"), DESCRIPTION, inputs, outputs)
    with pytest.raises(DamagedStoreError, match="describes 12 px and 1 labels"):
        check_shapes(Path("model"), replace(DESCRIPTION, task=Classification(("a",))), (None, 12, 12, 3), (None, 3))


def test_p_values_come_back_from_their_text():
    """With the number of validation images; files without them say nothing of it."""
    description = replace(DESCRIPTION, p_values=PValues(19))

    assert Description.from_json(description.to_json(), Path("model")) == description
    assert "p_value" not in json.loads(DESCRIPTION.to_json())
    check_shapes(Path("model"), description, (None, 12, 12, 3), (None, 3), (None, 1))
    with pytest.raises(DamagedStoreError, match="3 labels with p-values, but its network"):
        check_shapes(Path("model"), description, (None, 12, 12, 3), (None, 3))


@pytest.mark.parametrize(
    "values", [None, 19, {}, {"validation": 0}, {"validation": True}, {"validation": 10**9}, {"validation": "19"}]
)
def test_impossible_p_values_are_refused(values):
    """They are checked as the other fields are."""
    content = json.loads(DESCRIPTION.to_json()) | {"p_value": values}
    with pytest.raises(DamagedStoreError, match="description"):
        Description.from_json(json.dumps(content), Path("model"))


def test_p_values_are_whole_steps():
    """float32 cannot hold 0.05; a level of 0.05 refuses it nevertheless."""
    assert (PValues(19).exact(np.float32([0.05, 0, 0.3000001, 1])) == np.array([0.05, 0.05, 0.3, 1])).all()
