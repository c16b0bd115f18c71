"""How runs and exported files label images: what is asked is checked first, and images are read once."""

import pytest

from pipeline.errors import SettingError
from pipeline.runs.predictor import label_images
from pipeline.runs.run import Run, load_run


@pytest.mark.parametrize(("asked", "message"), [({"top": 0}, "Received: top 0"), ({"abstain": 2}, "Received: 2")])
def test_what_is_asked_is_checked_before_images_are_read(asked, message, settings, runs, photos, monkeypatch):
    """A wrong number costs no time."""
    monkeypatch.setattr(Run, "read", lambda *_, **__: pytest.fail("read"))

    with pytest.raises(SettingError, match=message):
        label_images(load_run("linear", settings), photos / "test", **asked)


def test_images_that_were_read_are_not_read_again(settings, runs, photos):
    """They are labelled in the same way."""
    run = load_run("linear", settings)
    given = run.read([photos / "test"])

    assert run.read(given) is given
    assert label_images(run, given) == run.predict([photos / "test"])
