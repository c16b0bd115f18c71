"""What may fail after a training."""

import logging

import pytest

from pipeline.runs.attempts import attempt


def test_what_goes_well_is_silent(caplog):
    """The function has its arguments, and nothing is logged."""
    seen = []

    assert attempt("It failed", seen.append, 1)
    assert (seen, caplog.messages) == ([1], [])


@pytest.mark.parametrize(("level", "has_traceback"), [(logging.WARNING, False), (logging.DEBUG, True)])
def test_error_becomes_a_warning(level, has_traceback, caplog):
    """It names what failed and why; the traceback is for those who ask for it."""
    with caplog.at_level(level):
        went_well = attempt("It failed", int, "x")
    [record] = caplog.records

    assert not went_well
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith("It failed: ValueError: invalid literal")
    assert bool(record.exc_info) is has_traceback


def test_ctrl_c_is_no_warning():
    """Who interrupts is obeyed."""

    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt("It failed", interrupt)
