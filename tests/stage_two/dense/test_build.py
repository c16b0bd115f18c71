"""Dense heads in Keras: built, saved and loaded."""

import copy
import pickle
import random
from pathlib import Path

import keras
import numpy as np
import pytest

from pipeline.errors import DamagedStoreError, HeadSpecError
from pipeline.stage_two.dense.build import DenseHead, build_head, fit_dense, load_dense, save_dense
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.spec import ACTIVATIONS, parse_head
from pipeline.tasks.classification import Classification
from tests.stage_two.tasks import HARD, make_task


def fit(text, task, **training):
    return fit_dense(parse_head(text), task, Training(**training))


def build(text, row_shape=(8,), num_classes=3):
    return build_head(parse_head(text), row_shape, Classification(tuple("abcdefghijkl"[:num_classes])))


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
    """The layers follow the text, a grid is flattened first, and the number of parameters is that of the published recipe."""
    model = build(text, row_shape, num_classes)

    assert layer_names(model) == layers.split()
    assert DenseHead(model).num_parameters == parameters


def test_head_that_has_predicted_can_be_sent_to_another_process():
    """The compiled function stays behind; the copy predicts the same."""
    head, X = DenseHead(build("dense:4,relu")), np.ones((2, 8), np.float32)
    outputs = head.outputs(X)

    np.testing.assert_array_equal(pickle.loads(pickle.dumps(head)).outputs(X), outputs)
    np.testing.assert_array_equal(copy.deepcopy(head).outputs(X), outputs)


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


def test_seeds_are_those_that_keras_would_draw():
    """The same weights and dropout as Keras's own layers after `set_random_seed`."""
    ours = build_head(parse_head("dense:8,relu,dropout:0.4"), (5,), Classification(("a", "b", "c")), seed=11)
    keras.utils.set_random_seed(11)
    layers = [keras.layers.Dense(8, "relu"), keras.layers.Dropout(0.4), keras.layers.Dense(3, "softmax")]
    stock = keras.Sequential([keras.Input((5,)), *layers])
    X = np.random.default_rng(0).normal(size=(64, 5)).astype(np.float32)

    assert np.array_equal(ours(X, training=True), stock(X, training=True))


def test_other_users_of_random_do_not_change_the_weights(monkeypatch):
    """As other threads of a Dask worker, which draw from Python's generator at any time."""
    task = make_task(**HARD)
    alone = fit("dense:8,relu,dropout:0.4", task, epochs=1)
    monkeypatch.setattr(random, "randint", random.SystemRandom().randint)
    beside = fit("dense:8,relu,dropout:0.4", task, epochs=1)

    for one, other in zip(alone.head.model.get_weights(), beside.head.model.get_weights(), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_is_one_of_keras(activation):
    """Each activation that can be parsed can be built."""
    assert build(f"dense:4,{activation}").layers[2].activation is keras.activations.get(activation)


@pytest.mark.parametrize(
    ("text", "num_classes", "units", "activation"),
    [("dense:4", 2, 1, "sigmoid"), ("dense:4", 3, 3, "softmax"), ("dense:4,softmax", 2, 2, "softmax")],
)
def test_output_layer_suits_the_classes(text, num_classes, units, activation):
    """Two classes have one sigmoid, unless the text asks for a softmax."""
    output = build(text, num_classes=num_classes).layers[-1]

    assert (output.units, output.activation.__name__) == (units, activation)


def test_predictions_are_those_of_keras_and_compiled_once():
    """Whatever the number of rows, none or several batches of them, and their number format; one graph serves all."""
    head = DenseHead(build("dense:4,relu,dropout:0.5,batchnorm", (2, 3), num_classes=3))
    X = np.random.default_rng(0).normal(size=(300, 2, 3))
    expected = head.model.predict(X, verbose=0)

    for count in (300, 1, 256, 0):
        received = head.outputs(X[:count])
        assert received.dtype == np.float32
        assert received.shape == (count, 3)
        np.testing.assert_allclose(received, expected[:count], rtol=1e-5)
    assert head._infer.experimental_get_tracing_count() == 1


def test_sigmoid_for_three_classes_is_refused():
    """One sigmoid for three classes is an error before the training."""
    with pytest.raises(HeadSpecError, match=r"A sigmoid output is for two classes. Received: 3 classes"):
        fit("dense:4,sigmoid", make_task(num_classes=3))


@pytest.mark.parametrize(
    ("text", "num_classes"), [("softmax", 3), ("dense:16,relu,dropout:0.2", 2), ("dense:16,tanh,softmax", 2)]
)
def test_distant_classes_are_separated(text, num_classes):
    """Heads on grids of features separate clouds that are far from each other."""
    task = make_task((2, 2, 3), num_classes=num_classes, distance=10)
    head = fit(text, task, epochs=20, learning_rate=0.02).head
    test = task.splits["test"]

    assert (head.outputs(test.X).argmax(axis=1) == test.y).mean() > 0.95


@pytest.mark.parametrize("num_classes", [2, 3])
def test_probabilities_are_a_distribution(num_classes):
    """One sigmoid becomes two columns, and every row sums to 1."""
    task = make_task(num_classes=num_classes)
    head = fit("dense:8,relu", task, epochs=1).head
    probabilities = head.outputs(task.validation.X)

    assert probabilities.shape == (60, num_classes)
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-6)


def test_second_column_of_a_sigmoid_is_the_second_class():
    """The sigmoid is the probability of class 1."""
    task = make_task(num_classes=2)
    head = fit("dense:8,relu", task, epochs=1).head

    assert np.allclose(head.outputs(task.validation.X)[:, 1], head.model.predict(task.validation.X, verbose=0)[:, 0])


@pytest.mark.parametrize("num_classes", [2, 4])
def test_saved_head_predicts_the_same(num_classes, tmp_path):
    """A head predicts the same after saving and loading."""
    task = make_task((2, 2, 3), num_classes=num_classes)
    head = fit("dense:8,relu,batchnorm,dropout:0.5", task, epochs=1).head
    save_dense(head, tmp_path / "head.keras")
    again = load_dense(tmp_path / "head.keras")

    assert np.array_equal(again.outputs(task.validation.X), head.outputs(task.validation.X))
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
    """A damaged model file is a DamagedStoreError, whatever the damage."""
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
