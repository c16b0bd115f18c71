"""The training loop of dense heads."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from pipeline.errors import DivergedError, SettingError
from pipeline.stage_two.dense.batches import ArraySource, validation_source
from pipeline.stage_two.dense.build import build_head, fit_dense
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.dense.train import _make_update, make_group, train
from pipeline.stage_two.rows import LabelledRows
from pipeline.stage_two.spec import parse_head
from pipeline.tasks.classification import Classification
from tests.stage_two.tasks import make_task

HARD = {"shape": (8,), "num_classes": 3, "distance": 1.0}
"""Clouds that overlap: a long training increases the validation loss."""

OPTIMIZERS = ("adam", "rmsprop", "sgd", "sgd:momentum=0.9", "adam:beta_1=0.5")


def fit(text, task, on_epoch=None, **training):
    return fit_dense(parse_head(text), task, Training(**training), on_epoch=on_epoch)


def curve(found):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in found.history]


def validation_loss(head, task):
    picked = head.outputs(task.validation.X)[np.arange(len(task.validation)), task.validation.y]
    return -np.log(picked).mean()


def test_history_has_a_row_for_each_epoch():
    """Each epoch has losses, accuracies, learning rate and time; with `keep=last` the last ones are those of the head."""
    task = make_task(**HARD)
    found = fit("dense:8,relu", task, epochs=4, keep="last", learning_rate=0.01)
    accuracy = (found.head.outputs(task.validation.X).argmax(axis=1) == task.validation.y).mean()

    assert [row["epoch"] for row in found.history] == [1, 2, 3, 4]
    assert list(found.history[0]) == [
        *("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds")
    ]
    assert found.history[-1]["val_loss"] == pytest.approx(validation_loss(found.head, task), rel=1e-4)
    assert found.history[-1]["val_accuracy"] == pytest.approx(accuracy)
    assert all(row["seconds"] > 0 and row["learning_rate"] == pytest.approx(0.01) for row in found.history)


def test_same_seed_gives_the_same_curve():
    """Initial weights, order and dropout depend on the seed only, so a training can be repeated bit by bit."""
    task = make_task(**HARD)
    first, second, other = (
        fit("dense:16,relu,dropout:0.5", task, epochs=3, seed=seed, learning_rate=0.01) for seed in (5, 5, 6)
    )

    assert curve(first) == curve(second)
    assert curve(first) != curve(other)
    assert first.head.outputs(task.validation.X).tobytes() == second.head.outputs(task.validation.X).tobytes()


@pytest.mark.parametrize(
    ("num_classes", "optimizer", "fused_from"),
    [
        (2, "adam", 1),
        (4, "adam", 10**9),
        (4, "rmsprop", 1),
        (2, "rmsprop", 10**9),
        (2, "sgd:momentum=0.9", 1),
        (4, "sgd:momentum=0.9", 10**9),
    ],
)
def test_steps_are_those_of_stock_keras(num_classes, optimizer, fused_from, monkeypatch):
    """With the same seed and order, each step has the loss of Keras's `train_on_batch`, with dropout and a smaller last batch."""
    monkeypatch.setattr("pipeline.stage_two.dense.train._FUSED_FROM", fused_from)
    task = make_task(**{**HARD, "num_classes": num_classes})
    training = Training(epochs=3, batch_size=16, learning_rate=1e-2, optimizer=optimizer, keep="last")
    spec = parse_head("dense:8,relu,dropout:0.4")
    source = ArraySource(task.train.X, task.train.y)

    stock = build_head(spec, task.train.X.shape[1:], task.task, seed=3)
    name, _, momentum = optimizer.partition(":momentum=")
    chosen = {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop, "sgd": keras.optimizers.SGD}[name]
    loss = "binary_crossentropy" if num_classes == 2 else "sparse_categorical_crossentropy"
    settings = {"momentum": float(momentum)} if momentum else {}
    stock.compile(chosen(learning_rate=1e-2, **settings), loss)
    expected = []
    for epoch in range(3):
        order = source.order(0, epoch)
        for start in range(0, len(order), 16):
            rows = order[start : start + 16]
            stock.reset_metrics()
            expected.append(float(stock.train_on_batch(task.train.X[rows], task.train.y[rows])))

    ours = build_head(spec, task.train.X.shape[1:], task.task, seed=3)
    received: list[float] = []
    groups = [make_group(ours.trainable_variables, training)]
    train(ours, ours, groups, task.task, source, validation_source(task.validation), training, steps=received)

    assert len(received) == 18
    assert np.allclose(received, expected, rtol=1e-4)
    assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(ours.get_weights(), stock.get_weights(), strict=True))


@pytest.mark.parametrize(("num_steps", "is_compiled"), [(9_999, False), (10_000, True)])
def test_update_is_compiled_where_that_is_worth_it(num_steps, is_compiled, monkeypatch):
    """For many values and steps: compiling takes as long as the updates of a short training."""
    monkeypatch.setattr("pipeline.stage_two.dense.train._FUSED_FROM", 240_000)
    weights = build_head(parse_head("dense:4,relu"), (3,), Classification(("a", "b"))).layers[1].trainable_variables[:1]
    group = make_group([*weights, *weights], Training())

    assert hasattr(_make_update(group, num_steps), "get_concrete_function") == is_compiled


def test_test_split_is_not_used():
    """A task without its test split gives the same curve."""
    full, without = make_task(**HARD), make_task(**HARD, with_test=False)

    assert curve(fit("dense:8,relu", full, epochs=2)) == curve(fit("dense:8,relu", without, epochs=2))


def test_validation_split_is_not_trained_on():
    """Other validation images change the validation loss and not the weights."""
    task = make_task(**HARD)
    noise = np.random.default_rng(1).normal(size=task.validation.X.shape).astype(np.float32)
    other = LabelledRows(task.task, {**task.splits, "validation": replace(task.validation, X=noise)})
    first, second = (fit("dense:8,relu", data, epochs=3, keep="last") for data in (task, other))

    assert first.history[-1]["val_loss"] != second.history[-1]["val_loss"]
    for left, right in zip(first.head.model.get_weights(), second.head.model.get_weights(), strict=True):
        assert np.array_equal(left, right)


def test_best_epoch_is_kept_or_the_last():
    """The head has the weights of the smallest validation loss, or on request those of the end."""
    task = make_task(**HARD)
    settings = {"epochs": 12, "learning_rate": 0.05}
    best, last = (fit("dense:64,relu", task, keep=keep, **settings) for keep in ("best", "last"))
    losses = [row["val_loss"] for row in best.history]

    assert curve(best) == curve(last)
    assert min(losses) < losses[-1]  # the loss did increase
    assert validation_loss(best.head, task) == pytest.approx(min(losses), rel=1e-4)
    assert validation_loss(last.head, task) == pytest.approx(losses[-1], rel=1e-4)


def test_training_stops_early():
    """With a patience of 2 the training stops after two epochs in a row without a smaller loss."""
    task = make_task(**HARD)
    found = fit("dense:64,relu", task, epochs=60, learning_rate=0.05, patience=2)
    losses = [row["val_loss"] for row in found.history]
    best = losses.index(min(losses))

    assert len(losses) == best + 3 < 60
    assert validation_loss(found.head, task) == pytest.approx(min(losses), rel=1e-4)


def test_cosine_schedule_sets_the_rate_of_each_epoch():
    """The learning rate falls along half a cosine."""
    training = Training(epochs=5, learning_rate=0.02, schedule="cosine")
    found = fit_dense(parse_head("dense:4,relu"), make_task(**HARD), training)

    assert [row["learning_rate"] for row in found.history] == pytest.approx(
        [training.cosine_rate(epoch) for epoch in range(5)]
    )


def test_plateau_schedule_lowers_the_rate_without_gain():
    """After three epochs without gain the rate is multiplied by 0.3, and again three epochs later."""
    task = make_task(distance=10)
    wrong = replace(task.validation, y=(task.validation.y + 1) % 3)  # learning increases their loss
    task = LabelledRows(task.task, {**task.splits, "validation": wrong})
    found = fit("softmax", task, epochs=8, learning_rate=0.1, schedule="plateau")
    losses = [row["val_loss"] for row in found.history]

    assert losses == sorted(losses)
    assert [row["learning_rate"] for row in found.history] == pytest.approx([0.1] * 4 + [0.03] * 3 + [0.009])


def test_optimizers_and_their_settings_differ():
    """Each optimizer, and each setting, takes other steps from the same initial weights."""
    histories = (fit("softmax", make_task(**HARD), epochs=2, optimizer=text, learning_rate=0.01) for text in OPTIMIZERS)
    losses = [found.history[-1]["loss"] for found in histories]

    assert len(set(losses)) == len(OPTIMIZERS)


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        ("adamw", "The optimizer is one of adam, rmsprop, sgd. Received: 'adamw'."),
        ("sgd:momentum", "The optimizer 'sgd:momentum' cannot be made: Settings are name=value"),
        ("sgd:momentum=much", "The optimizer 'sgd:momentum=much' cannot be made: could not convert string to float"),
        ("sgd:momentum=2", r"The optimizer 'sgd:momentum=2' cannot be made: .*between \[0, 1\]"),
        ("adam:speed=3", "The optimizer 'adam:speed=3' cannot be made: .*speed"),
        ("adam:learning_rate=1", "The optimizer 'adam:learning_rate=1' cannot be made: .*learning_rate"),
    ],
)
def test_optimizer_that_cannot_be_made_is_refused(optimizer, expected):
    """The message has the text that was given and what is wrong with it."""
    with pytest.raises(SettingError, match=expected):
        fit("softmax", make_task(), epochs=1, optimizer=optimizer)


@pytest.mark.parametrize("keep", ["best", "last"])
def test_diverged_training_is_an_error(keep):
    """A loss that becomes NaN or infinite is an error that names the cure."""
    with pytest.raises(DivergedError, match=r"The training diverged.*learning rate.*1e\+30"):
        fit("dense:8,relu", make_task(), epochs=2, optimizer="sgd", learning_rate=1e30, keep=keep)


def test_callback_gets_each_epoch():
    """The callback gets the entries of the history."""
    received = []
    found = fit("softmax", make_task(), received.append, epochs=2)

    assert received == found.history
    assert len(received) == 2


def test_callback_of_a_continued_training_gets_all_epochs(tmp_path):
    """After an interruption in the second epoch, the second call reports all four epochs."""
    task, received = make_task(), []
    settings = Training(epochs=4)

    def watch(row):
        received.append(row["epoch"])
        if received == [1, 2]:
            raise KeyboardInterrupt

    def run():
        head = build_head(parse_head("softmax"), (6,), task.task)
        groups = [make_group(head.trainable_variables, settings)]
        sources = ArraySource(task.train.X, task.train.y), ArraySource(task.validation.X, task.validation.y)
        train(head, head, groups, task.task, *sources, settings, checkpoint=tmp_path / "checkpoint.npz", on_epoch=watch)

    with pytest.raises(KeyboardInterrupt):
        run()
    run()

    assert received == [1, 2, 1, 2, 3, 4]
