"""What is remembered of model files."""

import json

import pytest

from pipeline.bases.known_files import KnownFiles

FACTS = {
    "mode": "",
    "scale": [],
    "offset": [],
    "native_px": 32,
    "smallest_px": 1,
    "last_layer": "a",
    "channels": 8,
    "parameters": 9,
}


@pytest.fixture
def file(tmp_path):
    """Any file."""
    path = tmp_path / "model.keras"
    path.write_bytes(b"model")
    return path


def test_facts_belong_to_the_content(file, tmp_path):
    """Another name is the same model; another content is not."""
    memory = KnownFiles(tmp_path)
    assert memory.recall(file) is None

    memory.remember(file, FACTS)

    assert KnownFiles(tmp_path).recall(file.rename(tmp_path / "renamed.keras")) == FACTS
    file.write_bytes(b"another")
    assert memory.recall(file) is None


@pytest.mark.parametrize("damage", [{"channels": "8"}, {"mode": None}, {"more": 1}])
def test_a_damaged_entry_is_not_believed(damage, file, tmp_path):
    """The file is loaded again."""
    memory = KnownFiles(tmp_path)
    memory.remember(file, FACTS)
    path = tmp_path / "weights" / "model_files.json"
    ((key, entry),) = json.loads(path.read_text()).items()
    path.write_text(json.dumps({key: entry | damage}))

    assert memory.recall(file) is None


@pytest.mark.parametrize("text", ["", "[]", '{"a": ', "null"])
def test_a_damaged_memory_is_empty(text, file, tmp_path):
    """And is written again."""
    memory = KnownFiles(tmp_path)
    memory.remember(file, FACTS)
    (tmp_path / "weights" / "model_files.json").write_text(text)

    assert memory.recall(file) is None
    memory.remember(file, FACTS)
    assert memory.recall(file) == FACTS
