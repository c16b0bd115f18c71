"""A run and its exports, made once for all tests of this room. Read only."""

from pathlib import Path

import pytest

from pipeline import Run
from pipeline.exports import sample_images
from pipeline.exports.export import Export, export
from pipeline.exports.formats import FORMATS
from pipeline.runs.run import load_run
from pipeline.settings import Settings
from tests.calls import fit
from tests.exports.models import build_once, describe

NUM_IMAGES = 60
"""Images that exports are compared on here, of which 48 are the run's own; tests/real compares 200."""


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """SqueezeNet with random weights, and folders of their own."""
    folder = tmp_path_factory.mktemp("work")
    return Settings.of(base="squeezenet", size=48, weights="random", cache=folder / "cache", runs=folder / "runs")


@pytest.fixture(scope="session")
def linear(photos: Path, settings: Settings) -> Run:
    """A linear head."""
    fit(photos, "logreg:C=0.01", pool="avg", name="linear", plots=False, settings=settings)
    return load_run("linear", settings)


@pytest.fixture(scope="session")
def exports(linear: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Export]:
    """The linear head in each format, by its ending; the SavedModel has replaced an older one."""
    folder = tmp_path_factory.mktemp("exports")
    older = {"assets.extra/bottleneck.json": describe().to_json(), "older.txt": ""}
    for name, text in older.items():
        (folder / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "model" / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sample_images, "NUM_IMAGES", NUM_IMAGES)
        build_once(patch)
        return {ending: export(linear, folder / f"model{ending}") for ending in FORMATS}
