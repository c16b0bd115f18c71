"""The command `bases`."""

from pipeline.bases.table import BASES
from tests.cli.commands import call


def test_bases_are_listed():
    """Every base of the table is listed; at a size, the shape of a base's features and its cuts are shown."""
    rows = call("bases", "--json").json
    (built,) = call("bases", "squeezenet", "--size", 48, "--json").json

    assert [row["base"] for row in rows] == list(BASES)
    assert built["shape"] == [2, 2, 512]
    assert built["cuts"][-1] == "fire9_concat"
