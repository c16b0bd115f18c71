"""Values of keywords that are of the wrong type."""

import re
from pathlib import Path

import numpy as np
import pytest

import pipeline
from pipeline.errors import SettingError
from pipeline.keyword_types import check_types


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": "64"}, "size is a number, without quotes. Received: '64' (str)."),
        ({"size": (64, 64)}, "size is a number, without quotes. Received: (64, 64) (tuple)."),
        ({"seed": "3"}, "seed is a number, without quotes. Received: '3' (str)."),
        ({"folds": "5"}, "folds is a number, without quotes. Received: '5' (str)."),
        ({"strict": "no"}, "strict is True or False. Received: 'no' (str)."),
        ({"split": (80, 10, 10)}, "split is one text. Received: (80, 10, 10) (tuple)."),
    ],
)
def test_value_of_the_wrong_type_is_an_error(values, message):
    """Keywords of the group and parameters of the function; the message says what to give."""
    with pytest.raises(SettingError, match=f"^{re.escape(message)}$"):
        check_types(values, pipeline.fit)


@pytest.mark.parametrize(
    "values",
    [
        {"size": np.int64(64), "folds": None, "strict": np.True_, "lr": 1},
        {"label": ["height", "width"], "class_weight": "balanced", "threshold": 0.3},
        {"weights": Path("own.h5"), "ignore_column": ("fold",), "split_column": 3},
        {"of_another_function": "3"},
    ],
)
def test_what_may_be_meant_passes(values):
    """Numbers of numpy, None, paths, and keywords that take several types."""
    assert check_types(values, pipeline.fit) is None
