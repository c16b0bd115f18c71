"""Errors that become warnings."""

import logging

import pytest

from pipeline.runs.attempts import attempt


def test_success_is_silent(caplog):
    """The function gets its arguments, and nothing is logged."""
    seen = []

    assert attempt("It failed", seen.append, 1)
    assert (seen, caplog.messages) == ([1], [])


@pytest.mark.parametrize(("level", "has_traceback"), [(logging.WARNING, False), (logging.DEBUG, True)])
def test_error_becomes_a_warning(level, has_traceback, caplog):
    """The warning says what failed and why; the traceback is logged with `--debug` only."""
    with caplog.at_level(level):
        succeeded = attempt("It failed", int, "x")
    [record] = caplog.records

    assert not succeeded
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith("It failed: ValueError: invalid literal")
    assert bool(record.exc_info) is has_traceback


def test_ctrl_c_is_not_a_warning():
    """Ctrl-C ends the program."""

    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt("It failed", interrupt)
