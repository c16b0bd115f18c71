"""Maps as data of a page."""

import base64

import numpy as np

from pipeline.evidence import overlay
from pipeline.evidence.page import as_data, overlay_script
from pipeline.evidence.results import ImageEvidence


def one_map(cells, total=1.5):
    return ImageEvidence("x.png", "b", "a", np.asarray(cells, np.float32), 0.0, total, "logits", "exact", 0, 0)


def test_maps_are_a_byte_a_cell():
    """In parts of the largest value of each map; large maps become 16 x 16, of means."""
    found = [one_map([[1, -2], [0, 0.5]]), one_map([[0, 0], [0, 0]])]
    data = as_data([7, 9], found, "crop", ("a", "b"))
    cells = np.frombuffer(base64.b64decode(data["cells"]), np.int8).reshape(2, 2, 2)

    assert cells.tolist() == [[[64, -127], [0, 32]], [[0, 0], [0, 0]]]
    assert (data["rows"], data["answers"], data["against"]) == ([7, 9], [1, 1], [0, 0])
    assert (data["largest"], data["totals"], data["fit"]) == ([2, 1], [1.5, 1.5], "crop")
    large = as_data([0], [one_map(np.kron(np.eye(16), np.ones((2, 2))))], "pad", ("a", "b"))
    assert (large["height"], large["width"]) == (16, 16)
    assert np.frombuffer(base64.b64decode(large["cells"]), np.int8).reshape(16, 16).diagonal().tolist() == [127] * 16


def test_script_has_the_colours_of_the_overlays():
    """Files and pages look the same."""
    script = overlay_script()

    assert f"const FOR = [{', '.join(map(str, overlay.FOR))}];" in script
    assert f"const AGAINST = [{', '.join(map(str, overlay.AGAINST))}];" in script
    assert f"const OPACITY = {overlay.OPACITY};" in script
