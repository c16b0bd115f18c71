"""What all tests share: small photographs that are made, a home of its own, and random weights.

No accuracy is ever asserted from random weights; tests that need real ones are in tests/real/.
"""

import gc
import os
import signal
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis  # noqa: F401  now: it asks the garbage collector for objects that commands take out of its sight
import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from xdist.remote import Producer
    from xdist.scheduler import LoadFileScheduling

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# The package sets it too, but some tests import TensorFlow first; without AVX-512 TensorFlow's own default is 0.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# A shell starts background jobs with Ctrl-C ignored, and children inherit that; some tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# All that is imported while tests are collected lives to the end: looking for garbage in it takes seconds.
gc.disable()

COLOURS = {"red": (200, 40, 40), "green": (40, 180, 60), "blue": (40, 60, 200)}


def draw_photo(path: Path, colour: tuple[int, int, int], seed: int, size: tuple[int, int] = (50, 40)) -> Path:
    """A picture of one colour with noise of its own, so that no two files have the same bytes."""
    noise = np.random.default_rng(seed).integers(-40, 40, (size[1], size[0], 3))
    pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def draw_tree(root: Path, splits: dict[str, int], classes: tuple[str, ...] = ("red", "blue")) -> Path:
    """Class folders below split folders ("" for none), so many PNG files in each."""
    seed = 0
    for split, count in splits.items():
        for label in classes:
            for number in range(count):
                draw_photo(root / split / label / f"{label}{number:03d}.png", COLOURS[label], seed)
                seed += 1
    return root


LONGEST = (
    *("test_docs.py", "notebooks/test_executed.py", "test_docs_python.py", "real/test_exports.py"),
    "training/finetune/test_train.py",
    *("training/finetune/test_live.py", "exports/test_export.py", "cli/test_app.py", "faults/test_soak.py"),
    *("stage_one/engines/test_openvino.py", "cluster/test_stage_one.py", "stage_one/engines/test_tensorflow.py"),
    *("bases/test_network.py", "bases/test_weights.py", "faults/test_together.py"),
)
"""Files that take longest, to be begun first: a worker takes whole files, and none should be left with one at the end."""


ROOMS = ("tests/bases/", "tests/cli/", "tests/exports/", "tests/stage_one/engines/")
"""Rooms whose files go to one worker, since they share what takes long to make: networks, engines, runs."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> "LoadFileScheduling":
    """Give workers whole files, as `--dist loadfile` does, and whole rooms where that is less work."""
    from xdist.scheduler import LoadFileScheduling

    class Rooms(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return next((room for room in ROOMS if nodeid.startswith(room)), super()._split_scope(nodeid))

    return Rooms(config, log)


SLOW = (
    *("cluster/", "faults/", "execution/", "test_surroundings.py"),  # they start, kill and interrupt processes
    *("cli/test_terminal.py", "test_interrupts.py", "test_watchdog.py", "tuner/test_visits.py"),  # they, too
    *("stage_one/computing/test_distribute.py", "packaging/test_service.py"),  # workers that die, a server
    "stage_one/engines/test_openvino.py",  # conversions of networks
    *("comparison/", "training/finetune/", "forgetting/test_retrain.py"),  # many trainings, and trainings of the base
    "cli/test_live.py",  # trainings of the base
    *("exports/test_export.py", "exports/test_answers", "exports/test_decoding.py", "exports/test_formats.py"),
    *("exports/test_load.py", "exports/test_stitch.py"),  # files in every format, of every kind of task
    "notebooks/test_executed.py",  # kernels
    *("packaging/test_built_files.py", "packaging/test_light.py"),  # builds and environments
    "cli/test_command.py",  # every example of every help
    *("real/test_pages.py", "reports/test_browser", "tuner/panes/test_browser.py"),  # a browser
    *("tuner/test_page.py", "tuner/test_suspect_list.py"),  # a browser
    *("test_docs.py", "test_docs_python.py"),  # every page
    *("real/test_exports.py", "real/test_questions.py"),  # every format with real weights
    *("test_far_clouds.py", "test_far_data.py", "test_questions.py"),  # a kind of data through everything
    *("test_joined_bases.py", "test_onnx_base.py", "test_own_base.py"),  # a kind of base through everything
    *("bases/test_cut.py", "bases/test_digests.py", "bases/test_network.py", "bases/test_presets.py"),  # every network
)
"""What `make test` leaves to `make test-slow`: files, and folders with all their files. CI runs both."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the slow tests; put the longest files first, the others after them as they were collected."""
    tests = Path(__file__).parent
    for item in items:
        if item.path.relative_to(tests).as_posix().startswith(SLOW):
            item.add_marker(pytest.mark.slow)
    places = {tests / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_collection_finish() -> None:
    """All modules of the tests have been imported by now."""
    if _is_worker():
        gc.freeze()
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """After a file, what lives on are networks and engines that later files use again."""
    done = yield
    if nextitem is not None and nextitem.path != item.path:
        _forget_what_lives()
    return done


def _forget_what_lives() -> None:
    """Take all that lives out of the garbage collector's sight: Keras collects at every model that it builds.

    In a worker of pytest-xdist alone, which runs many files.
    """
    if _is_worker():
        gc.collect()
        gc.freeze()


def _is_worker() -> bool:
    return "PYTEST_XDIST_WORKER" in os.environ


USERS_HOME = os.environ.get("BOTTLENECK_HOME")


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The project's own folder during the tests: no test, and no fixture, writes into the user's or finds something there.

    Random weights are made in it once.
    """
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BOTTLENECK_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def _kept_engines() -> Iterator[None]:
    """Small networks are kept as users' are, but more of them: the tests of a room ask for a few in turn."""
    from pipeline.stage_one.engines import choose

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choose, "_kept_reference", lru_cache(maxsize=16)(choose._make_reference))
        yield


@pytest.fixture(scope="module", autouse=True)
def _home_of_fixtures(request: pytest.FixtureRequest, home: Path) -> Iterator[None]:
    """Fixtures of a module with real weights find those of the user."""
    del home
    with pytest.MonkeyPatch.context() as patch:
        _use_real_weights(request, patch)
        yield


@pytest.fixture(autouse=True)
def _own_folder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each test has a current folder of its own; those with real weights find those of the user."""
    _use_real_weights(request, monkeypatch)
    monkeypatch.chdir(tmp_path)


def _use_real_weights(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("real") is None:
        return
    if USERS_HOME is None:
        patch.delenv("BOTTLENECK_HOME", raising=False)
    else:
        patch.setenv("BOTTLENECK_HOME", USERS_HOME)


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder of modules that Python must not import from it; `hostile / "imported"` names those that were."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    for name in ("json", "numpy", "pickle", "pipeline", "pkgutil", "random", "signal", "tempfile", "threading"):
        record = f"open({str(folder / 'imported')!r}, 'a').write('{name} ')"
        (folder / f"{name}.py").write_text(f"{record}\nraise ImportError('a hostile {name}')\n")
    return folder


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of two classes: 12 train, 6 validation and 6 test images each. Read only."""
    return draw_tree(tmp_path_factory.mktemp("photos"), {"train": 12, "validation": 6, "test": 6})


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Chrome]":
    """Headless Chromium, started once; `tests.browser` has what tests ask of it."""
    from tests.browser import require_browser, start_browser

    require_browser()
    driver = start_browser(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


RANDOM = {"base": "squeezenet", "size": 48, "weights": "random"}
"""Keywords of the public functions for a base that needs no download."""


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> dict[str, Path]:
    """A cache with the features of the photos, and a folder for runs."""
    import pipeline

    folder = tmp_path_factory.mktemp("places")
    found = {"cache": folder / "cache", "runs": folder / "runs"}
    pipeline.extract(photos, **RANDOM, **found)
    return found


@pytest.fixture
def warm(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """The same cache, where nothing can be computed: whatever works finds its rows."""
    from pipeline.stage_one.engines.tensorflow import TensorFlowEngine

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("A row was computed.")

    monkeypatch.setattr(TensorFlowEngine, "features", refuse)
    return places
