"""All runs of a folder, grouped by what their scores can be compared on."""

import pytest

from pipeline.cli.results import describe_runs
from pipeline.runs.listing import augmentation_of, kind_of, list_runs
from tests.runs.samples import make_info, make_run


def test_runs_on_other_labels_are_in_another_table(tmp_path):
    """Each group has a heading with data, label column, split, classes and validation images, and its best run first."""
    make_run(tmp_path, "a", data="digits", label_column="digit", split_rule="80/10/10, seed 0", data_digest="1")
    make_run(tmp_path, "b", data="digits", label_column="digit", split_rule="80/10/10, seed 0", data_digest="1")
    make_run(tmp_path, "c", data="digits", label_column="parity", split_rule="80/10/10, seed 0", data_digest="2")
    runs = list_runs(tmp_path)
    groups = runs.groups()

    assert [run.name for run in runs] == ["a", "b", "c"]
    assert [[run.name for run in group.runs] for group in groups] == [["a", "b"], ["c"]]
    assert groups[1].heading == "digits, label column parity, split 80/10/10, seed 0, 2 classes, 8 validation images"
    page = runs._repr_html_()
    assert page.count("<table>") == 2
    assert "label column digit" in page
    assert repr(runs) == "<RunList of 3 runs: a, b, c>"


def test_runs_on_corrected_labels_have_a_heading_of_their_own(tmp_path):
    """The same data with other labels is another table: the headings have the beginnings of the digests."""
    make_run(tmp_path, "before", data="photos", data_digest="1" * 64)
    make_run(tmp_path, "after", data="photos", data_digest="2" * 64)
    groups = list_runs(tmp_path).groups()

    assert [(group.runs[0].name, group.heading.rpartition(", ")[2]) for group in groups] == [
        ("after", "digest 22222222"),
        ("before", "digest 11111111"),
    ]


@pytest.mark.parametrize(
    ("changes", "kind", "augmentation"),
    [
        ({}, "head", "none"),
        (
            {"views": {"count": 4, "augmentation": "standard", "seed": 0, "tta": True}},
            "head",
            "standard, 4 views + TTA",
        ),
        ({"views": {"count": 1, "augmentation": "flip", "seed": 0}}, "head", "flip, 1 view"),
        ({"regime": "end to end", "augmentation": '{"rotation": 5.0}'}, "end to end", "rotation=5.0, live"),
        ({"regime": "end to end", "augmentation": '{"of": "later"}'}, "end to end", "unknown, live"),
        ({"regime": "fine-tuning", "first_trained_layer": "block5_conv1"}, "fine-tuned from block5_conv1", "none"),
    ],
)
def test_kind_and_augmentation_tell_runs_apart(changes, kind, augmentation):
    """A head, an end-to-end training and a fine-tuned network differ in their columns."""
    info = make_info(**changes)

    assert (kind_of(info), augmentation_of(info)) == (kind, augmentation)


@pytest.mark.parametrize("content", ["{", "[" * 100_000, '{"schema": 1}', "null"])
def test_damaged_run_is_named_and_left_out(content, tmp_path, caplog):
    """One bad run does not hide the others."""
    make_run(tmp_path, "good")
    (make_run(tmp_path, "bad").path / "run.json").write_text(content)
    groups = list_runs(tmp_path).groups()

    assert [[run.name for run in group.runs] for group in groups] == [["good"]]
    assert "The run bad is left out" in caplog.text


def test_run_without_validation_scores_is_left_out(tmp_path, caplog):
    """So is one whose values have other types."""
    (make_run(tmp_path, "bad").path / "metrics.json").write_text('{"test": 3}')

    assert list_runs(tmp_path).groups() == []
    assert "The run bad is left out" in caplog.text


def test_text_of_the_list_has_the_size_and_a_heading(tmp_path):
    """The terminal shows what the notebook shows."""
    make_run(tmp_path, "mine")
    [group] = list_runs(tmp_path).groups()
    text = describe_runs([row | {"group": group.heading} for row in group.as_rows()])

    assert text.startswith("photos, 2 classes, 8 validation images\n")
    assert "64 px" in text
