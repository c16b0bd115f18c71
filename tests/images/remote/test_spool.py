"""The file of what was fetched."""

import errno

from pipeline.images.remote.spool import Spool


def test_spool_keeps_what_fits(tmp_path):
    """Bytes come back as they were; the first ones that fit are kept, and no file is left with a name."""
    spool = Spool(tmp_path / "home", 10)
    spool.put(3, b"four")
    spool.put(1, b"five5")
    spool.put(2, b"six666")

    assert (spool.get(3), spool.get(1), spool.get(2)) == (b"four", b"five5", None)
    assert (3 in spool, 2 in spool) == (True, False)
    assert list((tmp_path / "home").iterdir()) == []


def test_full_disk_leaves_what_was_kept(tmp_path, monkeypatch):
    """An error of the disk is no error of the command: objects are fetched again instead."""
    spool = Spool(tmp_path, 100)
    spool.put(0, b"first")

    class Full:
        def seek(self, offset):
            return offset

        def write(self, data):
            raise OSError(errno.ENOSPC, "full")

        def read(self, size):
            return file.read(size)

    file = spool._file
    monkeypatch.setattr(spool, "_file", Full())
    spool.put(1, b"second")
    monkeypatch.setattr(spool, "_file", file)

    assert (spool.get(0), spool.get(1)) == (b"first", None)
