"""Dense heads in Keras."""

import itertools
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from pipeline.errors import DamagedStoreError, DivergedError, HeadSpecError, SettingError
from pipeline.stage_two.dense.batches import ArraySource, validation_source
from pipeline.stage_two.dense.build import DenseHead, build_head, fit_dense, load_dense, save_dense
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.dense.train import make_group, train
from pipeline.stage_two.rows import Task
from pipeline.stage_two.spec import ACTIVATIONS, parse_head
from tests.stage_two.tasks import make_task

HARD = {"shape": (8,), "num_classes": 3, "distance": 1.0}
"""Clouds that overlap: a head that is trained for long gets worse on validation."""


def fit(text, task, on_epoch=None, **training):
    return fit_dense(parse_head(text), task, Training(**training), on_epoch=on_epoch)


def curve(found):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in found.history]


def validation_loss(head, task):
    picked = head.predict_proba(task.validation.X)[np.arange(len(task.validation)), task.validation.y]
    return -np.log(picked).mean()


def build(text, row_shape=(8,), num_classes=3):
    return build_head(parse_head(text), row_shape, num_classes)


def layer_names(model):
    return [type(layer).__name__ for layer in model.layers[1:]]


@pytest.mark.parametrize(
    ("text", "row_shape", "num_classes", "layers", "parameters"),
    [
        # The published head on VGG16 at 150 px: Flatten, 256, dropout, one sigmoid.
        ("dense:256,relu,dropout:0.5", (4, 4, 512), 2, "Flatten Dense Activation Dropout Dense", 2_097_665),
        ("softmax", (7, 7, 512), 2, "Flatten Dense", 50_178),
        ("softmax", (512,), 10, "Dense", 5_130),
        ("dense:64,relu,batchnorm", (512,), 3, "Dense Activation BatchNormalization Dense", 33_155),
    ],
)
def test_layers_and_parameters_are_those_of_the_text(text, row_shape, num_classes, layers, parameters):
    """The text is built layer by layer, a grid is flattened first, and the count is that of the published recipe."""
    model = build(text, row_shape, num_classes)

    assert layer_names(model) == layers.split()
    assert DenseHead(model).num_parameters == parameters


def test_arguments_reach_their_layers():
    """Units, dropout rate and activation are those of the text."""
    model = build("dense:32,gelu,dropout:0.25")
    dense, activation, dropout, output = model.layers[1:]

    assert (dense.units, dense.activation, activation.activation) == (
        32,
        keras.activations.linear,
        keras.activations.gelu,
    )
    assert dropout.rate == 0.25
    assert output.name == "output"


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_is_one_of_keras(activation):
    """Each activation that can be written can be built."""
    assert build(f"dense:4,{activation}").layers[2].activation is keras.activations.get(activation)


@pytest.mark.parametrize(
    ("text", "num_classes", "units", "activation"),
    [("dense:4", 2, 1, "sigmoid"), ("dense:4", 3, 3, "softmax"), ("dense:4,softmax", 2, 2, "softmax")],
)
def test_output_layer_suits_the_classes(text, num_classes, units, activation):
    """Two classes get one sigmoid, unless a softmax is asked for."""
    output = build(text, num_classes=num_classes).layers[-1]

    assert (output.units, output.activation.__name__) == (units, activation)


def test_sigmoid_for_three_classes_is_refused():
    """A head that cannot tell the classes apart is refused before it is trained."""
    with pytest.raises(HeadSpecError, match=r"A sigmoid output is for two classes. Received: 3 classes"):
        fit("dense:4,sigmoid", make_task(num_classes=3))


@pytest.mark.parametrize(
    ("text", "num_classes"), [("softmax", 3), ("dense:16,relu,dropout:0.2", 2), ("dense:16,tanh,softmax", 2)]
)
def test_what_can_be_told_apart_is_learned(text, num_classes):
    """Clouds far from each other are told apart, on grids of features as on vectors."""
    task = make_task((2, 2, 3), num_classes=num_classes, distance=10)
    head = fit(text, task, epochs=20, learning_rate=0.02).head
    test = task.splits["test"]

    assert (head.predict_proba(test.X).argmax(axis=1) == test.y).mean() > 0.95


@pytest.mark.parametrize("num_classes", [2, 3])
def test_probabilities_are_a_distribution(num_classes):
    """One sigmoid becomes two columns, and every row sums to 1."""
    task = make_task(num_classes=num_classes)
    head = fit("dense:8,relu", task, epochs=1).head
    probabilities = head.predict_proba(task.validation.X)

    assert probabilities.shape == (60, num_classes)
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-6)


def test_second_column_of_a_sigmoid_is_the_second_class():
    """The sigmoid says how sure the head is of class 1."""
    task = make_task(num_classes=2)
    head = fit("dense:8,relu", task, epochs=1).head

    assert np.allclose(
        head.predict_proba(task.validation.X)[:, 1], head.model.predict(task.validation.X, verbose=0)[:, 0]
    )


def test_history_has_a_row_for_each_epoch():
    """Each epoch tells its losses, accuracies, learning rate and time; the last ones are those of the head."""
    task = make_task(**HARD)
    found = fit("dense:8,relu", task, epochs=4, keep="last", learning_rate=0.01)
    accuracy = (found.head.predict_proba(task.validation.X).argmax(axis=1) == task.validation.y).mean()

    assert [row["epoch"] for row in found.history] == [1, 2, 3, 4]
    assert list(found.history[0]) == [
        *("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds")
    ]
    assert found.history[-1]["val_loss"] == pytest.approx(validation_loss(found.head, task), rel=1e-4)
    assert found.history[-1]["val_accuracy"] == pytest.approx(accuracy)
    assert all(row["seconds"] > 0 and row["learning_rate"] == pytest.approx(0.01) for row in found.history)


def test_same_seed_gives_the_same_curve():
    """Weights, order and dropout are drawn from the seed, so a training can be repeated to the last bit."""
    task = make_task(**HARD)
    first, second, other = (
        fit("dense:16,relu,dropout:0.5", task, epochs=3, seed=seed, learning_rate=0.01) for seed in (5, 5, 6)
    )

    assert curve(first) == curve(second)
    assert curve(first) != curve(other)
    assert (
        first.head.predict_proba(task.validation.X).tobytes() == second.head.predict_proba(task.validation.X).tobytes()
    )


@pytest.mark.parametrize("fused_from", [1, 10**9])
@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd:momentum=0.9"])
@pytest.mark.parametrize("num_classes", [2, 4])
def test_steps_are_those_of_stock_keras(num_classes, optimizer, fused_from, monkeypatch):
    """Same seed, same order: each step has the loss that Keras's own training has, dropout and a small last batch included."""
    monkeypatch.setattr("pipeline.stage_two.dense.train._FUSED_FROM", fused_from)
    task = make_task(**{**HARD, "num_classes": num_classes})
    training = Training(epochs=3, batch_size=16, learning_rate=1e-2, optimizer=optimizer, keep="last")
    spec = parse_head("dense:8,relu,dropout:0.4")
    source = ArraySource(task.train.X, task.train.y)

    keras.utils.set_random_seed(3)
    stock = build_head(spec, task.train.X.shape[1:], num_classes)
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

    keras.utils.set_random_seed(3)
    ours = build_head(spec, task.train.X.shape[1:], num_classes)
    received: list[float] = []
    groups = [make_group(ours.trainable_variables, training)]
    train(ours, ours, groups, source, validation_source(task.validation), training, steps=received)

    assert len(received) == 18
    assert np.allclose(received, expected, rtol=1e-4)
    assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(ours.get_weights(), stock.get_weights(), strict=True))


def test_test_split_is_not_looked_at():
    """A task without its test split gives the same curve."""
    full, without = make_task(**HARD), make_task(**HARD, with_test=False)

    assert curve(fit("dense:8,relu", full, epochs=2)) == curve(fit("dense:8,relu", without, epochs=2))


def test_validation_split_is_not_trained_on():
    """Other validation images change what is reported on them and not the weights."""
    task = make_task(**HARD)
    noise = np.random.default_rng(1).normal(size=task.validation.X.shape).astype(np.float32)
    other = Task(task.classes, {**task.splits, "validation": replace(task.validation, X=noise)})
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
    assert min(losses) < losses[-1]  # it did get worse
    assert validation_loss(best.head, task) == pytest.approx(min(losses), rel=1e-4)
    assert validation_loss(last.head, task) == pytest.approx(losses[-1], rel=1e-4)


def test_training_stops_when_nothing_is_gained():
    """With a patience of 2 the training ends at the second epoch in a row without a smaller loss."""
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
    wrong = replace(task.validation, y=(task.validation.y + 1) % 3)  # learning makes these worse and worse
    task = Task(task.classes, {**task.splits, "validation": wrong})
    found = fit("softmax", task, epochs=8, learning_rate=0.1, schedule="plateau")
    losses = [row["val_loss"] for row in found.history]

    assert losses == sorted(losses)
    assert [row["learning_rate"] for row in found.history] == pytest.approx([0.1] * 4 + [0.03] * 3 + [0.009])


@pytest.mark.parametrize(
    "pair", list(itertools.combinations(("adam", "rmsprop", "sgd", "sgd:momentum=0.9", "adam:beta_1=0.5"), 2))
)
def test_optimizers_and_their_settings_differ(pair):
    """Each optimizer, and each setting, takes another path from the same start."""
    first, second = (_last_losses()[text] for text in pair)

    assert first != second


_LOSSES = {}


def _last_losses():
    """The loss after two epochs with each optimizer, trained once."""
    for text in ("adam", "rmsprop", "sgd", "sgd:momentum=0.9", "adam:beta_1=0.5"):
        if text not in _LOSSES:
            found = fit("softmax", make_task(**HARD), epochs=2, optimizer=text, learning_rate=0.01)
            _LOSSES[text] = found.history[-1]["loss"]
    return _LOSSES


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
    """A loss that is no number is reported with its cure, and no head comes of it."""
    with pytest.raises(DivergedError, match=r"The training diverged.*learning rate.*1e\+30"):
        fit("dense:8,relu", make_task(), epochs=2, optimizer="sgd", learning_rate=1e30, keep=keep)


def test_each_epoch_is_told_as_it_ends():
    """Who watches a training sees what its history holds in the end."""
    told = []
    found = fit("softmax", make_task(), told.append, epochs=2)

    assert told == found.history
    assert len(told) == 2


def test_a_training_that_goes_on_tells_of_the_epochs_before(tmp_path):
    """Killed after its second epoch and begun again, a training still tells of all four."""
    task, told = make_task(), []
    settings = Training(epochs=4)

    def watch(row):
        told.append(row["epoch"])
        if told == [1, 2]:
            raise KeyboardInterrupt

    def run():
        head = build("softmax", (6,))
        groups = [make_group(head.trainable_variables, settings)]
        sources = ArraySource(task.train.X, task.train.y), ArraySource(task.validation.X, task.validation.y)
        train(head, head, groups, *sources, settings, checkpoint=tmp_path / "checkpoint.npz", on_epoch=watch)

    with pytest.raises(KeyboardInterrupt):
        run()
    run()

    assert told == [1, 2, 1, 2, 3, 4]


@pytest.mark.parametrize("num_classes", [2, 4])
def test_saved_head_predicts_the_same(num_classes, tmp_path):
    """A head comes back from its file as it was."""
    task = make_task((2, 2, 3), num_classes=num_classes)
    head = fit("dense:8,relu,batchnorm,dropout:0.5", task, epochs=1).head
    save_dense(head, tmp_path / "head.keras")
    again = load_dense(tmp_path / "head.keras")

    assert np.array_equal(again.predict_proba(task.validation.X), head.predict_proba(task.validation.X))
    assert again.num_parameters == head.num_parameters


def test_code_in_a_model_file_is_not_run(tmp_path):
    """A model file with a Lambda layer is refused in safe mode, and its code does not run."""
    canary, path = tmp_path / "canary", tmp_path / "head.keras"
    # Keras stores the bytecode of the lambda, so all that it needs must be a constant: the working folder is tmp_path.
    write = keras.layers.Lambda(lambda x: (open("canary", "w").close(), x)[1], output_shape=(4,))  # noqa: PTH123
    keras.Sequential([keras.Input((4,)), write]).save(path)
    canary.unlink(missing_ok=True)

    with pytest.raises(
        DamagedStoreError, match=r"head.keras cannot be loaded in Keras's safe mode, which runs no code"
    ):
        load_dense(path)
    assert not canary.exists()

    keras.saving.load_model(path, safe_mode=False)(np.zeros((1, 4)))

    assert canary.exists()  # the same file does run its code when it is trusted


@pytest.mark.parametrize("damage", ["missing", "empty", "text", "first half", "flipped config", "flipped weights"])
def test_damaged_model_file_is_an_error(damage, tmp_path):
    """Whatever is wrong with a model's file, it is damage that a user is told of."""
    path = tmp_path / "head.keras"
    keras.utils.set_random_seed(0)
    save_dense(DenseHead(build("dense:8,relu")), path)
    _damage(path, damage)

    with pytest.raises(DamagedStoreError, match=r"head.keras cannot be loaded in Keras's safe mode"):
        load_dense(path)


def _damage(path: Path, kind: str) -> None:
    whole = bytearray(path.read_bytes())
    if kind == "missing":
        path.unlink()
        return
    if kind == "flipped config":
        whole[whole.index(b"Activation") + 20] ^= 1
    if kind == "flipped weights":
        whole[whole.index(b"\x89HDF") + 3000] ^= 255
    contents = {"empty": b"", "text": b"{}", "first half": whole[: len(whole) // 2]}
    path.write_bytes(bytes(contents.get(kind, whole)))
