"""Values of keywords that are of the wrong type, such as `size="64"`: Python itself would take them, and fail far from the mistake."""

import inspect
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Any, get_args

from pipeline.errors import SettingError

_EXPECTED: tuple[tuple[frozenset[Any], tuple[type, ...], str], ...] = (
    (frozenset({int, float}), (str, tuple, list), "a number, without quotes"),
    (frozenset({bool}), (str, tuple, list), "True or False"),
    (frozenset({str}), (tuple, list), "one text"),
)
"""Types of which a keyword has one or more, and None beside them at most; types that are then a mistake; and what to give."""


def check_types(values: Mapping[str, Any], function: Callable[..., Any]) -> None:
    """Check values of a public function's keywords against its annotations; only what is certainly a mistake is one.

    Args:
        values: Values of parameters and keywords.
        function: The function. Its `**keywords` are annotated with a `TypedDict`.

    Raises:
        SettingError: A text or a sequence for a number or a truth value, or a sequence for a text.
    """
    hints = _hints_of(function)
    for name, value in values.items():
        hint = hints.get(name)
        types = {*(get_args(hint) if isinstance(hint, UnionType) else (hint,))} - {type(None)}
        for expected, mistakes, what in _EXPECTED:
            if types and types <= expected and isinstance(value, mistakes):
                raise SettingError(f"{name} is {what}. Received: {value!r} ({type(value).__name__}).")


def _hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Annotations of all parameters by name, those of the group of keywords included."""
    parameters = inspect.signature(function).parameters.values()
    own = {parameter.name: parameter.annotation for parameter in parameters}
    groups = [parameter.annotation.__args__[0] for parameter in parameters if parameter.kind is parameter.VAR_KEYWORD]
    return own | {name: hint for group in groups for name, hint in group.__annotations__.items()}
