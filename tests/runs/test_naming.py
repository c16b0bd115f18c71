"""Names of runs that are made up."""

from pipeline.runs.naming import free_name, numbered, plain_name


def test_free_name_is_the_stem_or_numbered(tmp_path):
    """The first one has no number, later ones the first that is free."""
    assert free_name("r0a", tmp_path) == "r0a"
    (tmp_path / "r0a").mkdir()
    (tmp_path / "r0a-002").touch()
    assert free_name("r0a", tmp_path) == numbered("r0a", 3) == "r0a-003"


def test_plain_name_is_one_folder():
    """Separators and other scripts become dashes; a text without letters is a run."""
    assert plain_name("a b/../c") == "a-b-..-c"
    assert plain_name("///") == "run"
