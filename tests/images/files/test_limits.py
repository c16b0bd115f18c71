"""Limits of what a file may become; their tests on each format are in tests/faults/test_foreign_tables.py."""

from pipeline.images.files.limits import UNKNOWN_MEMORY, free_memory


def test_memory_of_a_system_that_does_not_say(monkeypatch):
    """Where /proc cannot be read, work goes on with a careful guess."""

    def refuse():
        raise PermissionError(13, "Permission denied")

    assert free_memory() > 0
    monkeypatch.setattr("psutil.virtual_memory", refuse)
    assert free_memory() == UNKNOWN_MEMORY
