"""What became of the images, in the JSON of the commands that use them."""

import pytest

from pipeline.images.summary import USES
from tests.cli.commands import BASE, call
from tests.conftest import draw_tree


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Class folders with a damaged image and a text. Read only."""
    folder = draw_tree(tmp_path_factory.mktemp("mixed"), {"": 8})
    (folder / "red" / "broken.png").write_bytes(b"no image")
    (folder / "red" / "notes.txt").write_text("notes")
    return folder


@pytest.mark.parametrize(
    "words",
    [
        ("features",),
        ("head",),
        ("sweep", "--head", "ridge"),
        pytest.param(("advise", "--sample", "4"), marks=pytest.mark.slow),
    ],
)
def test_every_command_lists_what_it_used_skipped_and_ignored(words, mixed, own):
    """Classes with their images by split, damaged images with the reason, other files by kind."""
    command, *options = words
    result = call(command, mixed, *options, *BASE, *own, "--json").json

    assert set(USES) <= set(result)
    assert sum(result["classes"]["red"].values()) == 8
    assert [entry["path"] for entry in result["skipped"]] == ["red/broken.png"]
    assert [(entry["kind"], entry["count"]) for entry in result["ignored"]] == [(".txt", 1)]


def test_predict_and_evaluate_do_too(mixed, own):
    """A prediction for each image, also for one that cannot be read, which is listed again with the skipped ones."""
    predicted = call("predict", "linear", mixed, *own, "--json").json
    evaluated = call("evaluate", "linear", mixed, *own, "--json").json

    assert set(predicted) == {"predictions", "skipped", "ignored"}
    assert len(predicted["predictions"]) == 17
    assert [entry["path"] for entry in predicted["skipped"]] == [str(mixed / "red" / "broken.png")]
    assert predicted["skipped"][0]["reason"].startswith("not an image")
    assert [entry["path"] for entry in evaluated["skipped"]] == ["red/broken.png"]
    assert evaluated["classes"]["red"]["n"] == 8
    for result in (predicted, evaluated):
        assert [(entry["kind"], entry["count"]) for entry in result["ignored"]] == [(".txt", 1)]
