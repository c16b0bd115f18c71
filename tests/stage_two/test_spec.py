"""What a head is, as text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import HeadSpecError
from pipeline.stage_two.spec import (
    ACTIVATIONS,
    LINEAR_GRIDS,
    OUTPUTS,
    SCALES,
    DenseSpec,
    LinearSpec,
    check_learnable,
    expand_choices,
    parse_head,
    parse_settings,
)
from pipeline.tasks.regression import Regression
from tests.tasks.samples import TASKS

LAYERS = st.one_of(
    st.tuples(st.just("dense"), st.integers(1, 10**7).map(float)),
    st.tuples(st.just("dropout"), st.floats(0, 1, exclude_max=True)),
    st.tuples(st.sampled_from(("batchnorm", *ACTIVATIONS)), st.none()),
)


@pytest.mark.parametrize("kind", LINEAR_GRIDS)
def test_linear_head_without_a_value_brings_its_grid(kind):
    """A linear head whose regularisation is left open is tried with all values of its grid."""
    spec = parse_head(kind)

    assert spec == LinearSpec(kind, LINEAR_GRIDS[kind][1], "none" if kind == "knn" else "standard")
    assert len(spec.values) > 1
    assert str(spec) == kind


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("logreg:C=0.01", LinearSpec("logreg", (0.01,), "standard")),
        (" logreg:C=0.01 ", LinearSpec("logreg", (0.01,), "standard")),
        ("logreg:scale=none", LinearSpec("logreg", LINEAR_GRIDS["logreg"][1], "none")),
        ("svm:C=1e-3,scale=none", LinearSpec("svm", (0.001,), "none")),
        ("ridge:alpha=100", LinearSpec("ridge", (100.0,), "standard")),
        ("lda:shrinkage=1", LinearSpec("lda", (1.0,), "standard")),
        ("knn:k=5,scale=standard", LinearSpec("knn", (5.0,), "standard")),
        ("ridge:alpha=1,norm=l2", LinearSpec("ridge", (1.0,), "standard", "l2")),
        ("svm:C=1,pca=256", LinearSpec("svm", (1.0,), "standard", pca=256)),
        (
            "logreg:pca=64,whiten=yes,scale=none",
            LinearSpec("logreg", LINEAR_GRIDS["logreg"][1], "none", "none", 64, True),
        ),
        ("logreg:C=1,norm=none,whiten=no", LinearSpec("logreg", (1.0,), "standard")),
    ],
)
def test_linear_settings_are_read(text, spec):
    """Regularisation and scaling stand after the colon."""
    assert parse_head(text) == spec


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("softmax", DenseSpec((), "softmax")),
        ("sigmoid", DenseSpec((), "sigmoid")),
        ("dense:256,relu,dropout:0.5", DenseSpec((("dense", 256), ("relu", None), ("dropout", 0.5)))),
        (
            "dense:64, relu, batchnorm, dropout:0.5, softmax",
            DenseSpec((("dense", 64), ("relu", None), ("batchnorm", None), ("dropout", 0.5)), "softmax"),
        ),
        ("dropout:0", DenseSpec((("dropout", 0.0),))),
    ],
)
def test_layers_are_read_in_order(text, spec):
    """A dense head is its layers from left to right, with or without its output."""
    assert parse_head(text) == spec


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_can_be_written(activation):
    """Each activation of the list is a layer without an argument."""
    assert parse_head(f"dense:8,{activation}") == DenseSpec((("dense", 8.0), (activation, None)))


@given(st.lists(LAYERS, min_size=1, max_size=5).map(tuple), st.sampled_from((None, *OUTPUTS)))
def test_dense_text_round_trips(layers, output):
    """The text of any dense head describes that very head."""
    spec = DenseSpec(layers, output)

    assert parse_head(str(spec)) == spec


@given(
    st.sampled_from([kind for kind in LINEAR_GRIDS if kind != "knn"]),
    st.floats(1e-30, 1),
    st.sampled_from(SCALES),
)
def test_linear_text_round_trips(kind, value, scale):
    """The text of any linear head describes that very head, to the last digit."""
    spec = LinearSpec(kind, (value,), scale)

    assert parse_head(str(spec)) == spec


@pytest.mark.parametrize(
    "text",
    [
        "logreg",
        "logreg:scale=none",
        "logreg:C=1,scale=none,norm=l2,pca=8,whiten=yes",
        "knn:k=5",
        "softmax",
        "dense:64,relu,dropout:0.25",
    ],
)
def test_text_is_kept_short(text):
    """What was written in the short form comes back in the short form."""
    assert str(parse_head(text)) == text


def test_dense_head_without_layers_is_a_softmax():
    """The head of no layers has a text, and it is that of a softmax."""
    assert str(DenseSpec()) == "softmax"


@pytest.mark.parametrize("text", ["", "  ", ",", ", ,"])
def test_empty_head_is_refused(text):
    """No text is no head."""
    with pytest.raises(HeadSpecError, match=r"An empty head. Expected a linear head such as logreg, or layers such as"):
        parse_head(text)


@pytest.mark.parametrize("text", ["logreg:0.1", "knn:5", "svm:C=1,none"])
def test_setting_without_a_name_is_refused(text):
    """Settings of linear heads are name=value."""
    with pytest.raises(HeadSpecError, match=r"Settings are name=value, separated by commas. Received: "):
        parse_head(text)


TAKES = "scale=standard|none, norm=none|l2, pca=NUMBER and whiten=no|yes"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("logreg:alpha=1", f"logreg takes C=NUMBER, {TAKES}. Received: 'logreg:alpha=1'."),
        ("ridge:C=1", f"ridge takes alpha=NUMBER, {TAKES}. Received: 'ridge:C=1'."),
        ("svm:norm=l1", f"svm takes C=NUMBER, {TAKES}. Received: 'svm:norm=l1'."),
        ("sgd:scale=", f"sgd takes alpha=NUMBER, {TAKES}. Received: 'sgd:scale='."),
        ("lda:pca=9,whiten=maybe", f"lda takes shrinkage=NUMBER, {TAKES}. Received: 'lda:pca=9,whiten=maybe'."),
        ("knn:pca=9", "knn takes k=NUMBER and scale=standard|none. Received: 'knn:pca=9'."),
        (
            "logreg:whiten=yes",
            "whiten=yes scales principal components: give their number too, pca=256. Received: 'logreg:whiten=yes'.",
        ),
        ("logreg:pca=0", "pca is a whole number of components from 1 on. Received: 'logreg:pca=0'."),
        ("logreg:pca=2.5", "pca is a whole number of components from 1 on. Received: 'logreg:pca=2.5'."),
        ("knn:scale=robust", "knn takes k=NUMBER and scale=standard|none. Received: 'knn:scale=robust'."),
    ],
)
def test_setting_of_another_head_is_refused(text, expected):
    """A setting that the head does not know is named together with those that it takes."""
    with pytest.raises(HeadSpecError, match=re.escape(expected)):
        parse_head(text)


@pytest.mark.parametrize(
    "text",
    [
        *("logreg:C=0", "svm:C=-1", "ridge:alpha=0", "sgd:alpha=-0.1", "lda:shrinkage=1.5", "lda:shrinkage=0"),
        *("knn:k=2.5", "knn:k=0", "logreg:C=nan", "logreg:C=inf", "knn:k=inf"),
    ],
)
def test_regularisation_out_of_range_is_refused(text):
    """A value that cannot work is refused before any image is looked at."""
    parameter = LINEAR_GRIDS[text.split(":")[0]][0]

    with pytest.raises(HeadSpecError, match=f"{parameter} of .* is out of range. Received: '{text}'."):
        parse_head(text)


@pytest.mark.parametrize("text", ["logreg:C=much", "dense:many", "dense:64|256", "dropout:half"])
def test_argument_that_is_no_number_is_refused(text):
    """Arguments are numbers."""
    argument = re.split("[:=]", text)[-1]

    with pytest.raises(HeadSpecError, match=re.escape(f"'{argument}' is not a number in the head '{text}'.")):
        parse_head(text)


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("forest", "forest"),
        ("dense", "dense"),
        ("dense:0", "dense:0"),
        ("dense:2.5", "dense:2.5"),
        ("dense:inf", "dense:inf"),
        ("dense:nan", "dense:nan"),
        ("dropout", "dropout"),
        ("dropout:1", "dropout:1"),
        ("dropout:-0.1", "dropout:-0.1"),
        ("dropout:nan", "dropout:nan"),
        ("dense:8,relu:2", "relu:2"),
        ("batchnorm:1", "batchnorm:1"),
        ("softmax,dense:8", "softmax"),
        ("dense:8,logreg", "logreg"),
        ("Dense:8", "Dense:8"),
    ],
)
def test_layer_that_cannot_be_understood_is_named(text, token):
    """The message names the part at fault, the head around it, and all that can be written."""
    fault = re.escape(f"Cannot understand '{token}' in the head '{text}'.")
    hint = r"( Did you mean '\w+'\?)?"

    with pytest.raises(HeadSpecError, match=f"{fault}{hint} Expected one of logreg, svm, ridge, sgd, lda, knn; or"):
        parse_head(text)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("logreg", ["logreg"]),
        ("logreg|svm", ["logreg", "svm"]),
        ("logreg:C=0.1|1", ["logreg:C=0.1", "logreg:C=1"]),
        ("logreg:C=1,scale=standard|none", ["logreg:C=1,scale=standard", "logreg:C=1,scale=none"]),
        ("dense:64|256,relu", ["dense:64,relu", "dense:256,relu"]),
        ("dense:8,relu|tanh,softmax", ["dense:8,relu,softmax", "dense:8,tanh,softmax"]),
        (
            "dense:64|256,dropout:0.2|0.5",
            ["dense:64,dropout:0.2", "dense:64,dropout:0.5", "dense:256,dropout:0.2", "dense:256,dropout:0.5"],
        ),
    ],
)
def test_choices_expand_to_all_combinations(text, expanded):
    """Each bar doubles the heads, in the order in which they are written."""
    assert expand_choices(text) == expanded


def test_settings_are_read_as_pairs():
    """Blanks around names and values do not matter, nor does a comma too many."""
    assert parse_settings(" momentum = 0.9 , nesterov=1,") == {"momentum": "0.9", "nesterov": "1"}
    assert parse_settings("") == {}


@pytest.mark.parametrize("text", ["logreg", "svm", "lda", "softmax", "dense:8,sigmoid"])
def test_head_that_cannot_learn_numbers_is_refused(text):
    """With those that can."""
    with pytest.raises(HeadSpecError, match=r"regression"):
        check_learnable(parse_head(text), Regression(("price",)))


def test_heads_that_can_learn_a_task_are_accepted():
    """Each task has linear heads and a dense one."""
    for task in TASKS:
        for text in (*task.heads, "dense:8,relu"):
            check_learnable(parse_head(text), task)


def test_numbers_are_learnt_without_scaling_unless_it_is_given():
    """Neighbours have none in any case."""
    task = Regression(("price",))

    assert [parse_head(text, task).scale for text in ("ridge", "sgd", "knn")] == ["none"] * 3
    assert parse_head("ridge:scale=standard", task).scale == "standard"
    assert parse_head("ridge", TASKS[0]).scale == parse_head("ridge").scale == "standard"


@pytest.mark.parametrize("read", [parse_head, expand_choices])
def test_head_that_is_no_text_is_named(read):
    """An estimator of scikit-learn belongs behind the transformer."""
    with pytest.raises(HeadSpecError, match=r"A head is a text .* Received: dict\. .*FeatureExtractor"):
        read({})
