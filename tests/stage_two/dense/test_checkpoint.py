"""Checkpoints of trainings."""

import json
import logging

import keras
import numpy as np
import pytest

from pipeline.images.decoding.decoder import encode_array
from pipeline.stage_two.dense.batches import ArraySource
from pipeline.stage_two.dense.build import build_head
from pipeline.stage_two.dense.checkpoint import HISTORY_KEYS, State, load_checkpoint, save_checkpoint
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.dense.train import make_group, train
from pipeline.stage_two.spec import parse_head
from tests.stage_two.tasks import make_task

HISTORY = [dict.fromkeys(HISTORY_KEYS, 0.5) | {"epoch": 1}]


def make_variables(value=0.0):
    """A float variable, a counter, and a random state, as a training has them."""
    return [
        keras.Variable(np.full((3, 2), value, np.float32)),
        keras.Variable(np.int64(value), dtype="int64", trainable=False),
        keras.Variable(np.full(2, value, np.uint32), dtype="uint32", trainable=False),
    ]


def make_state():
    return State(epoch=1, history=HISTORY, best_loss=0.5, best=[np.full((3, 2), 7, np.float32)])


def values(variables):
    return [np.asarray(variable).tolist() for variable in variables]


def rewrite(path, **changed):
    """Replace members of a checkpoint; None removes one."""
    with np.load(path) as archive:
        members = {name: archive[name] for name in archive.files} | changed
    np.savez(path, **{name: value for name, value in members.items() if value is not None})


def change_state(path, **changed):
    with np.load(path) as archive:
        plain = json.loads(str(archive["state"])) | changed
    rewrite(path, state=np.array(json.dumps({name: value for name, value in plain.items() if value != "none"})))


DAMAGES = {
    "first half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("no checkpoint"),
    "one array": lambda path: path.write_bytes(encode_array(np.zeros((2, 2), np.uint8))),
    "folder": lambda path: (path.unlink(), (path / "sub").mkdir(parents=True)),
    "flipped byte": lambda path: path.write_bytes(
        path.read_bytes().replace(b"\x00\x00\xe0\x40", b"\x00\x00\xe1\x40", 1)
    ),
    "no state": lambda path: rewrite(path, state=None),
    "no JSON": lambda path: rewrite(path, state=np.array("{")),
    "a list": lambda path: rewrite(path, state=np.array("[1]")),
    "other fields": lambda path: change_state(path, more=1),
    "missing field": lambda path: change_state(path, epoch="none"),
    "wrong type": lambda path: change_state(path, waited="3"),
    "short history": lambda path: change_state(path, epoch=2),
    "other history": lambda path: change_state(path, history=[{"loss": 1.0}]),
    "missing variable": lambda path: rewrite(path, v2=None),
    "wrong shape": lambda path: rewrite(path, v2=np.zeros(3, np.uint32)),
    "wrong type of a variable": lambda path: rewrite(path, v2=np.array(["a", "b"])),
    "wrong shape of the best weights": lambda path: rewrite(path, best0=np.zeros(3, np.float32)),
    "pickled": lambda path: rewrite(path, v2=np.array([None, None])),
}


def test_checkpoint_comes_back(tmp_path):
    """State and variables are loaded as they were saved, with their dtypes."""
    path, variables = tmp_path / "checkpoint.npz", make_variables()
    save_checkpoint(path, make_state(), make_variables(7))
    state = load_checkpoint(path, variables, variables[:1])

    assert values(variables) == values(make_variables(7))
    assert (state.epoch, state.history, state.best_loss) == (1, HISTORY, 0.5)
    assert [best.tolist() for best in state.best] == [[[7, 7]] * 3]


def test_no_checkpoint_is_a_new_training(tmp_path):
    """Without a checkpoint no variable changes, and the state is a new one."""
    variables = make_variables(1)

    assert load_checkpoint(tmp_path / "none.npz", variables, variables[:1]) == State()
    assert values(variables) == values(make_variables(1))


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_checkpoint_is_set_aside(damage, tmp_path, caplog):
    """It is renamed, and a warning names it; no variable changes. A second damaged one replaces the first."""
    path, variables = tmp_path / "checkpoint.npz", make_variables(1)
    for _ in range(2):
        save_checkpoint(path, make_state(), make_variables(7))
        DAMAGES[damage](path)
        with caplog.at_level(logging.WARNING):
            state = load_checkpoint(path, variables, variables[:1])

        assert state == State()
        assert values(variables) == values(make_variables(1))
        assert [found.name for found in tmp_path.iterdir()] == ["checkpoint.npz.damaged"]
        assert "checkpoint.npz is damaged (" in caplog.text
        assert "starts again from its first epoch" in caplog.text


def test_training_with_a_damaged_checkpoint_starts_again(tmp_path):
    """It trains all epochs, and gives the weights of a training without a checkpoint."""
    task, settings = make_task(), Training(epochs=2)

    def run(path):
        keras.utils.set_random_seed(0)
        head = build_head(parse_head("softmax"), (6,), task.task)
        sources = ArraySource(task.train.X, task.train.y), ArraySource(task.validation.X, task.validation.y)
        history = train(
            head, head, [make_group(head.trainable_variables, settings)], task.task, *sources, settings, checkpoint=path
        )
        return [row["epoch"] for row in history], [weight.tolist() for weight in head.get_weights()]

    expected = run(tmp_path / "first.npz")
    path = tmp_path / "second.npz"
    path.write_bytes((tmp_path / "first.npz").read_bytes()[:700])

    assert run(path) == expected
    assert (tmp_path / "second.npz.damaged").is_file()
