"""No start hangs; the long form is `benchmarks/soak.py`."""

import pytest

pytest.importorskip("openvino")

from benchmarks.soak import soak
from tests import ready

NUM_STARTS = 16


def test_many_starts_end(tmp_path):
    """Stage one with a warm conversion: the runtime's first calls used to block each other once in a hundred starts.

    Every process loads OpenVINO itself; what it imports before that is there already.
    """
    results = soak(tmp_path, starts=NUM_STARTS, others=1, num_images=80, limit=60, together=2, python=ready.python())

    assert {name: (result.hung, result.failed) for name, result in results.items()} == dict.fromkeys(results, (0, 0))
    assert [len(result.seconds) for result in results.values()] == [NUM_STARTS, 1, 1, 1]
