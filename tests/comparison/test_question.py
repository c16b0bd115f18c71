"""Which base, or which regime."""

import pipeline
from pipeline.comparison.race import Race


def test_several_sizes_are_a_race_and_none_a_recommendation(photos, tmp_path, monkeypatch):
    """A recommendation is for the rows that are stored; a race does not heed them."""
    keywords = {"weights": "random", "cache": tmp_path / "cache", "runs": tmp_path / "runs"}
    pipeline.extract(photos, base="squeezenet", size=40, **keywords)
    asked = []
    monkeypatch.setattr(
        "pipeline.comparison.question.advise", lambda _, settings, **__: asked.append(settings.features)
    )

    pipeline.advise(photos, base="squeezenet", **keywords)
    race = pipeline.advise(photos, bases=["squeezenet"], sizes=[32, 40], **keywords)

    assert [features.size for features in asked] == [40]
    assert isinstance(race, Race)
    assert race.all_rows == 2 * 24
