"""Heads as text. Needs neither TensorFlow nor scikit-learn.

logreg                              the regularisation is chosen on the validation split
logreg:C=0.01                       the regularisation is given; with scale=none the features are not scaled
logreg:pca=256,whiten=yes           on 256 principal components of the training rows, scaled to deviation 1
ridge:norm=l2                       on rows of length 1
dense:256,relu,dropout:0.5          layers in order; the output is a sigmoid for two classes, otherwise a softmax
dense:64,relu,batchnorm,dropout:0.5,softmax
softmax                             no hidden layer
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pipeline.errors import HeadSpecError, did_you_mean

if TYPE_CHECKING:
    from pipeline.tasks.task import Task

# 25 values, because all of them come from one decomposition and cost next to nothing.
_RIDGE_PATH = tuple(float(f"{10 ** (step / 4):.3g}") for step in range(25))

# The regularisation parameter of each linear head, and the values to choose from if none is given.
LINEAR_GRIDS: dict[str, tuple[str, tuple[float, ...]]] = {
    "logreg": ("C", (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)),
    "svm": ("C", (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)),
    "ridge": ("alpha", _RIDGE_PATH),
    "sgd": ("alpha", (1e-4, 1e-3, 1e-2, 1e-1, 1.0)),
    "lda": ("shrinkage", (0.01, 0.03, 0.1, 0.3, 0.6, 0.9)),
    "knn": ("k", (1, 3, 5, 9, 15, 25, 49)),
}
SCALES = ("standard", "none")
NORMS = ("none", "l2")
DEFAULT_LAYERS = "dense:256,relu,dropout:0.5"
"""The default dense head: that of the published recipe R0."""

ACTIVATIONS = ("relu", "gelu", "elu", "selu", "silu", "tanh", "leaky_relu")
OUTPUTS = ("softmax", "sigmoid")


@dataclass(frozen=True)
class LinearSpec:
    """A linear head, or nearest neighbours."""

    kind: str
    """A key of `LINEAR_GRIDS`."""

    values: tuple[float, ...]
    """Values of the regularisation to choose from; a single value is used without a choice."""

    scale: str
    """`standard` (mean 0, deviation 1 over the training images) or `none`."""

    norm: str = "none"
    """`l2` divides each row by its Euclidean length, before the features are scaled."""

    pca: int | None = None
    """Number of principal components of the scaled training rows that the head is fitted on; None: the features themselves."""

    whiten: bool = False
    """With `pca`: each component is divided by its standard deviation."""

    @property
    def preparation(self) -> "LinearSpec":
        """What is done to the rows before the fit: equal for heads that can share it."""
        return replace(self, kind="neighbours" if self.kind == "knn" else "", values=())

    @property
    def parameter(self) -> str:
        """Name of the regularisation: C, alpha, shrinkage or k."""
        return LINEAR_GRIDS[self.kind][0]

    def __str__(self) -> str:
        given = [f"{self.parameter}={_digits(self.values[0])}"] if len(self.values) == 1 else []
        settings = given + ([f"scale={self.scale}"] if self.scale != default_scale(self.kind) else [])
        settings += [f"norm={self.norm}"] if self.norm != "none" else []
        settings += [f"pca={self.pca}"] if self.pca else []
        settings += ["whiten=yes"] if self.whiten else []
        return f"{self.kind}:{','.join(settings)}" if settings else self.kind


@dataclass(frozen=True)
class DenseSpec:
    """A dense head: hidden layers and an output."""

    layers: tuple[tuple[str, float | None], ...] = field(default=())
    """(name, argument) of each hidden layer."""

    output: str | None = None
    """`softmax`, `sigmoid`, or None: what the task needs; see `Task.dense_output`."""

    def __str__(self) -> str:
        tokens = [name if value is None else f"{name}:{_digits(value)}" for name, value in self.layers]
        return ",".join([*tokens, *([self.output] if self.output else [])]) or "softmax"


HeadSpec = LinearSpec | DenseSpec


def pooling_of(spec: HeadSpec, pool: str | None) -> str:
    """Pooling of the rows that a head is trained on: `pool`; None: `avg` for a linear head, `none` for a dense one."""
    return pool or ("avg" if isinstance(spec, LinearSpec) else "none")


def default_scale(kind: str, task: "Task | None" = None) -> str:
    """The scaling of a linear head that does not name one.

    `none` for neighbours, which compare directions of unscaled features, and for numbers; `standard` for the other linear heads.
    """
    if kind == "knn":
        return "none"
    return "standard" if task is None or task.scale is None else task.scale


def parse_head(text: str, task: "Task | None" = None) -> HeadSpec:
    """Parse a head.

    Args:
        text: The head.
        task: What it will learn, which decides on the scaling that is not given; None: that of classes.

    Raises:
        HeadSpecError: It is no text, a name is unknown, or an argument is missing, not expected or out of range.
    """
    _check_text(text)
    kind, _, rest = text.strip().partition(":")
    if kind in LINEAR_GRIDS:
        return _parse_linear(kind, rest, text, task)
    tokens = [token.strip() for token in text.split(",") if token.strip()]
    if not tokens:
        raise HeadSpecError("An empty head. Expected a linear head such as logreg, or layers such as dense:256,relu.")
    output = tokens.pop() if tokens[-1] in OUTPUTS else None
    return DenseSpec(tuple(_parse_layer(token, text) for token in tokens), output)


def _check_text(head: object) -> None:
    if not isinstance(head, str):
        raise HeadSpecError(
            f"A head is a text such as 'logreg:C=1' or 'dense:256,relu'. Received: {type(head).__name__}. For an estimator of scikit-learn, "
            "make_pipeline(pipeline.FeatureExtractor(...), estimator) gives it the features."
        )


def parse_layers(text: str) -> DenseSpec:
    """Parse a dense head, which gradients can train.

    Raises:
        HeadSpecError: As in `parse_head`, or the head is linear.
    """
    spec = parse_head(text)
    if not isinstance(spec, DenseSpec):
        raise HeadSpecError(
            f"Fine-tuning and end-to-end training need a dense head, such as dense:256,relu. Received: {text!r}."
        )
    return spec


def check_learnable(spec: HeadSpec, task: "Task") -> None:
    """Check that a head can learn a task, before any row is computed.

    Raises:
        HeadSpecError: It cannot.
    """
    if isinstance(spec, DenseSpec):
        task.dense_output(spec.output)
    elif spec.kind not in task.heads:
        raise HeadSpecError(
            f"{spec.kind} cannot learn {task.kind}. Expected one of {', '.join(task.heads)}, or a dense head such as dense:256,relu."
        )


def expand_choices(text: str) -> list[str]:
    """All combinations of the choices in a text: `dense:64|256,dropout:0.2|0.5` gives four.

    Raises:
        HeadSpecError: It is no text.
    """
    _check_text(text)
    parts = [part.split("|") for part in text.replace(":", ",:").replace("=", ",=").split(",")]
    choices = [_with_prefix(options) for options in parts]
    return [",".join(combination).replace(",:", ":").replace(",=", "=") for combination in itertools.product(*choices)]


def _with_prefix(options: Sequence[str]) -> list[str]:
    """`:64|256` means `:64` or `:256`."""
    prefix = options[0][:1] if options[0][:1] in (":", "=") else ""
    return [option if number == 0 else prefix + option for number, option in enumerate(options)]


def parse_settings(text: str) -> dict[str, str]:
    """Parse settings such as `C=0.01,scale=none`.

    Raises:
        HeadSpecError: A part has no `=`.
    """
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if any(not sign for _, sign, _ in pairs):
        raise HeadSpecError(f"Settings are name=value, separated by commas. Received: {text!r}.")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _parse_linear(kind: str, rest: str, text: str, task: "Task | None") -> LinearSpec:
    parameter, grid = LINEAR_GRIDS[kind]
    settings = parse_settings(rest)
    choices = {"scale": SCALES} | ({} if kind == "knn" else {"norm": NORMS, "whiten": ("no", "yes")})
    unknown = set(settings) - {parameter, *choices, *(() if kind == "knn" else ("pca",))}
    chosen = {"norm": NORMS[0], "whiten": "no"} | {"scale": default_scale(kind, task)} | settings
    if unknown or any(chosen[name] not in allowed for name, allowed in choices.items()):
        raise HeadSpecError(f"{kind} takes {parameter}=NUMBER{_choices(kind)}. Received: {text!r}.")
    values = (_regularisation(kind, settings[parameter], text),) if parameter in settings else grid
    is_whitened = chosen["whiten"] == "yes"
    if is_whitened and "pca" not in settings:
        raise HeadSpecError(
            f"whiten=yes scales principal components: give their number too, pca=256. Received: {text!r}."
        )
    pca = _components(settings["pca"], text) if "pca" in settings else None
    return LinearSpec(kind, values, chosen["scale"], chosen["norm"], pca, is_whitened)


def _choices(kind: str) -> str:
    """What a linear head takes beside its regularisation."""
    scale = f"scale={'|'.join(SCALES)}"
    return f" and {scale}" if kind == "knn" else f", {scale}, norm={'|'.join(NORMS)}, pca=NUMBER and whiten=no|yes"


def _regularisation(kind: str, argument: str, text: str) -> float:
    value = _number(argument, text)
    if not 0 < value < math.inf or (kind == "lda" and value > 1) or (kind == "knn" and value != int(value)):
        raise HeadSpecError(f"{LINEAR_GRIDS[kind][0]} of {kind} is out of range. Received: {text!r}.")
    return value


def _components(argument: str, text: str) -> int:
    value = _number(argument, text)
    if not 1 <= value < math.inf or value != int(value):
        raise HeadSpecError(f"pca is a whole number of components from 1 on. Received: {text!r}.")
    return int(value)


def _parse_layer(token: str, text: str) -> tuple[str, float | None]:
    name, _, argument = token.partition(":")
    if (name in ACTIVATIONS or name == "batchnorm") and not argument:
        return name, None
    if name == "dense" and argument:
        units = _number(argument, text)
        if 1 <= units < math.inf and units == int(units):
            return name, units
    if name == "dropout" and argument and 0 <= (rate := _number(argument, text)) < 1:
        return name, rate
    hint = did_you_mean(name, (*LINEAR_GRIDS, "dense", "dropout", "batchnorm", *ACTIVATIONS, *OUTPUTS))
    raise HeadSpecError(
        f"Cannot understand {token!r} in the head {text!r}.{hint} Expected one of {', '.join(LINEAR_GRIDS)}; or layers "
        f"dense:UNITS, dropout:RATE, batchnorm, {', '.join(ACTIVATIONS)}, and at the end softmax or sigmoid."
    )


def _number(argument: str, text: str) -> float:
    try:
        return float(argument)
    except ValueError:
        raise HeadSpecError(f"{argument!r} is not a number in the head {text!r}.") from None


def _digits(value: float) -> str:
    """The shortest text that parses to exactly the same number, because a sweep parses the text of a spec."""
    return next(text for text in (f"{value:g}", f"{value:.15g}", repr(value)) if float(text) == value)
