"""The commands `endtoend` and `finetune`."""

from pathlib import Path

import pytest

from pipeline.images.augment import NAMED
from pipeline.runs.folder import RunFolder
from tests.cli.commands import BASE, HEAD_KEYS, call
from tests.conftest import draw_tree


@pytest.mark.parametrize("command", ["endtoend", "finetune"])
def test_live_training_prints_what_a_head_does(command, photos, own, tmp_path):
    """Training on live images has the keys of a head, leaves the trunk as it was, and augments as live training does by default."""
    tree = draw_tree(tmp_path / "few", {"train": 4, "validation": 2})
    last = ("--last", 3, "--head-epochs", 1) if command == "finetune" else ()
    outcome = call(command, tree, "--head", "softmax", "--pool", "avg", "--epochs", 1, *last, *BASE, *own, "--json")
    result = outcome.json

    assert result.keys() >= HEAD_KEYS - {"test"}
    assert result["trunk_digest_before"] == result["trunk_digest_after"]
    assert result["seconds_per_epoch"] > 0
    assert RunFolder(Path(result["folder"])).info.augmentation == NAMED["standard"].canonical_json()
