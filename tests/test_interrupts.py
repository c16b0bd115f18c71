"""The second Ctrl-C or SIGTERM ends a command at once; that the first one stops it in order is in tests/cli/test_app.py."""

import signal
import subprocess

import pytest

from tests.hanging import start_hanging


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_second_signal_ends_a_command_that_cannot_run_its_handlers(number, photos, tmp_path):
    """A native call that holds the interpreter's lock keeps Python from handling the first signal; the second needs no Python."""
    with start_hanging("with", photos, tmp_path, limit_seconds=60) as process:
        assert process.stdout.readline() == "hangs\n"
        process.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1)
        process.send_signal(number)

        assert process.wait(timeout=5) == -number
