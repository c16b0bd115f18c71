"""The settings of a training."""

import re

import pytest

from pipeline.errors import SettingError
from pipeline.stage_two.dense.settings import Training


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"epochs": 0}, "The epochs is a positive number. Received: 0."),
        ({"batch_size": -1}, "The batch size is a positive number. Received: -1."),
        ({"learning_rate": 0.0}, "The learning rate is a positive number. Received: 0.0."),
        ({"learning_rate": float("nan")}, "The learning rate is a positive number. Received: nan."),
        ({"schedule": "step"}, "The schedule is one of constant, cosine, plateau. Received: 'step'."),
        ({"view_mode": "some"}, "The view mode is one of sample, all. Received: 'some'."),
        ({"keep": "first"}, "The epoch to keep is one of best, last. Received: 'first'."),
        ({"patience": -1}, "The patience is 0 (never stop early) or more. Received: -1."),
    ],
)
def test_setting_that_cannot_work_is_refused(settings, expected):
    """An invalid setting is an error when it is made; the message says what was expected."""
    with pytest.raises(SettingError, match=re.escape(expected)):
        Training(**settings)


def test_cosine_falls_from_the_rate_towards_zero():
    """Half a cosine: the full rate at first, half of it in the middle, almost none in the last epoch."""
    training = Training(epochs=10, learning_rate=0.2)
    rates = [training.cosine_rate(epoch) for epoch in range(10)]

    assert rates[0] == pytest.approx(0.2)
    assert rates[5] == pytest.approx(0.1)
    assert rates[9] == pytest.approx(0.0048943, rel=1e-4)
    assert rates == sorted(rates, reverse=True)
