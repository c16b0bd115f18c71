"""Errors that a user can act on."""

import inspect

import pytest

from pipeline import errors
from pipeline.errors import SettingError, check_choice

DAMAGE = {"DamagedStoreError", "ForeignEntryError", "MissingRowsError", "DisagreementError"}


def test_exit_codes_are_those_of_the_command_line():
    """3 for damaged or stale data, 2 for all other errors."""
    classes = inspect.getmembers(errors, lambda item: inspect.isclass(item) and issubclass(item, errors.PipelineError))
    codes = {name: kind.exit_code for name, kind in classes}

    assert codes["SettingError"] == 2
    assert {name for name, code in codes.items() if code == 3} >= DAMAGE
    assert set(codes.values()) == {2, 3}


@pytest.mark.parametrize("received", ["gpu", "", "CPU", 1, None, ["cpu"]])
def test_a_value_that_is_not_one_of_the_choices_is_an_error(received):
    """The message lists the choices; values without a hash are refused like others."""
    check_choice("device", "cpu", ("auto", "cpu"))
    with pytest.raises(SettingError) as caught:
        check_choice("device", received, ("auto", "cpu"))
    cure = " Did you mean 'cpu'?" if received == "CPU" else ""
    assert str(caught.value) == f"The device is one of auto, cpu. Received: {received!r}.{cure}"
