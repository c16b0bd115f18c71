"""The commands below `weights`."""

from tests.cli.commands import call


def test_weights_are_listed(work, home):
    """The weights of the project's own folder are listed with their bytes."""
    result = call("weights", "ls", "--json").json

    assert result["folder"] == str(home / "weights")
    assert "squeezenet-random.weights.h5" in {entry["file"] for entry in result["weights"]}
