"""OpenVINO as engine: what TensorFlow computes, or TensorFlow itself."""

import functools
import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("openvino")

from pipeline.errors import DisagreementError, MissingExtraError, SettingError
from pipeline.settings import Settings
from pipeline.stage_one.engines import choose, compiled, measure, openvino
from pipeline.stage_one.engines.choose import make_engine
from pipeline.stage_one.engines.compiled import has_bfloat16
from pipeline.stage_one.engines.openvino import OpenVINOEngine
from pipeline.stage_one.engines.tensorflow import TensorFlowEngine
from pipeline.stage_one.recipes import make_recipe as recipe_of
from pipeline.stage_one.recompute import recompute
from tests.calls import extract
from tests.calls import read as scan
from tests.conftest import draw_tree
from tests.stage_one.trunks import BATCH_SIZE, make_recipe

CUT = "fire3_concat"  # to convert fewer layers
PIXELS = np.random.default_rng(0).integers(0, 256, (2 * BATCH_SIZE + 3, 32, 32, 3), np.uint8)


@functools.cache
def tensorflow_engine(home: Path, recipe, earlier) -> TensorFlowEngine:
    """TensorFlow's engine of a recipe, compiled once for all tests."""
    return TensorFlowEngine(
        recipe, make_recipe(home, recipe.base, cut=recipe.cut)[1], earlier=earlier, batch_size=BATCH_SIZE
    )


class Reference:
    """TensorFlow's engine, asked for when it is called; counts how often that was."""

    def __init__(self, home: Path, earlier=None, *, cut: str = CUT, **changes):
        self.recipe, _ = make_recipe(home, cut=cut, **changes)
        self.exact = replace(self.recipe, precision="float32")
        self.home, self.earlier, self.num_made = home, earlier, 0

    def __call__(self) -> TensorFlowEngine:
        self.num_made += 1
        return tensorflow_engine(self.home, self.exact, self.earlier)

    def engine(self, folder: Path, **settings) -> OpenVINOEngine:
        settings.setdefault("is_asked", True)  # not to depend on which is faster here
        return OpenVINOEngine(self.recipe, folder, self, earlier=self.earlier, batch_size=BATCH_SIZE, **settings)


@pytest.fixture(scope="module")
def converted(home, tmp_path_factory) -> tuple[Path, np.ndarray, int]:
    """A folder with a checked conversion, its rows, and how often TensorFlow was made for it. Read only."""
    folder, reference = tmp_path_factory.mktemp("converted"), Reference(home)
    rows = reference.engine(folder).features(PIXELS)
    return folder, rows, reference.num_made


@pytest.fixture
def folder(converted, tmp_path) -> Path:
    """A copy of that conversion, which a test may change."""
    return shutil.copytree(converted[0], tmp_path / "engines")


@pytest.fixture
def unchecked(folder) -> Path:
    """A copy of that conversion that no processor has checked yet."""
    notes_file = next(folder.glob("*.json"))
    notes_file.write_text(json.dumps({**json.loads(notes_file.read_text()), "compared": {}}))
    return folder


def assert_agree(received: np.ndarray, expected: np.ndarray) -> None:
    assert received.shape == expected.shape
    assert received.dtype == np.float32
    assert np.abs(received - expected).max() < 1e-4 * np.abs(expected).max()
    assert np.abs(expected).max() > 0


def test_rows_are_those_of_tensorflow(converted, home):
    """Preprocessing included, and as many rows as images however many there are."""
    assert_agree(converted[1], Reference(home)().features(PIXELS))


@pytest.mark.parametrize(
    "changes",
    [
        {"pooling": "avg"},
        {"cut": "fire9_concat"},
        {"base": "mobilenetv2", "cut": "block_3_expand_relu", "pooling": "max"},  # with batch norms and an addition
    ],
    ids=str,
)
def test_rows_of_other_recipes_are_those_of_tensorflow(changes, home, tmp_path):
    """Cut, pooling, and another base with its own preprocessing."""
    reference = Reference(home, **changes)

    assert_agree(reference.engine(tmp_path).features(PIXELS), reference().features(PIXELS))


def test_rows_of_a_later_layer_come_from_those_of_an_earlier_one(home, tmp_path):
    """The conversion starts where the stored rows end."""
    earlier, _ = make_recipe(home, cut=CUT)
    rows, later = Reference(home)().features(PIXELS), {"cut": "fire5_concat"}

    assert_agree(
        Reference(home, earlier, **later).engine(tmp_path).features(rows), Reference(home, **later)().features(PIXELS)
    )


def test_an_image_has_the_same_bits_whoever_is_beside_it(converted, folder, home):
    """So a store that was interrupted equals one that was not."""
    engine, rows = Reference(home).engine(folder), converted[1]

    assert np.array_equal(engine.features(PIXELS[5:8]), rows[5:8])
    assert np.array_equal(engine.features(PIXELS[18:]), rows[18:])


def test_a_call_uses_all_cores_after_its_very_first_images(folder, home, monkeypatch):
    """A few images at a time go to all requests. Nothing else runs beside the first ones: the runtime sets itself up."""
    engine, running, seen = Reference(home).engine(folder), [], []
    compute_step = compiled.CompiledNetwork._infer_step

    def record(network, inputs, rows, start):
        running.append(start)
        seen.append((start, len(running)))
        compute_step(network, inputs, rows, start)
        seen.append((start, len(running)))
        running.remove(start)

    monkeypatch.setattr(compiled.CompiledNetwork, "_infer_step", record)
    engine.features(PIXELS)

    assert seen[:2] == [(0, 1), (0, 1)]
    assert sorted(start for start, _ in seen)[::2] == list(range(0, len(PIXELS), 4))
    assert engine.concurrency == engine._network.full + 1


def test_tensorflow_is_needed_once(converted, folder, home):
    """To convert, and to compare the first batch; later runs need it for neither."""
    _, rows, num_made = converted
    again = Reference(home)

    assert np.array_equal(again.engine(folder).features(PIXELS), rows)
    assert (num_made, again.num_made) == (2, 0)


def test_another_processor_is_compared_anew(folder, home):
    """A conversion that was checked on one processor is checked again on another."""
    notes_file = next(folder.glob("*.json"))
    notes = json.loads(notes_file.read_text())
    notes_file.write_text(json.dumps({**notes, "compared": {"another": {"difference": 0.0, "gain": 2.0}}}))
    again = Reference(home)
    again.engine(folder).features(PIXELS)

    assert again.num_made == 1
    assert set(json.loads(notes_file.read_text())["compared"]) >= {"another"}


@pytest.mark.parametrize(
    ("end", "damage"), [(".xml", "missing"), (".json", "missing"), (".json", "flipped"), (".bin", "flipped")]
)
def test_a_damaged_conversion_is_made_again(end, damage, converted, folder, home):
    """A flipped bit in the weights would be wrong features without any error."""
    file = next(folder.glob(f"*{end}"))
    if damage == "missing":
        file.unlink()
    else:
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 64
        file.write_bytes(content)
    again = Reference(home)

    assert np.array_equal(again.engine(folder).features(PIXELS), converted[1])
    assert again.num_made == 2
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_where_it_disagrees_tensorflow_takes_over(home, unchecked, monkeypatch, caplog):
    """With a warning, and the rows say who made them."""
    monkeypatch.setitem(openvino.TOLERANCE, "float32", -1.0)
    reference = Reference(home)
    engine = reference.engine(unchecked, is_asked=False)
    with caplog.at_level(logging.WARNING):
        rows = engine.features(PIXELS)

    assert "TensorFlow is used instead" in caplog.text
    assert engine.provenance["engine"] == "tensorflow"
    assert np.array_equal(rows, reference().features(PIXELS))


@pytest.mark.parametrize("gain", [0.9, 1.1])
def test_the_faster_one_is_taken(gain, home, unchecked, monkeypatch):
    """The first batch decides, and later runs remember it; who names the engine gets it either way."""
    monkeypatch.setattr(
        measure, "seconds_per_call", lambda run, *_: gain if isinstance(run.__self__, TensorFlowEngine) else 1.0
    )
    expected = "openvino" if gain > 1 else "tensorflow"
    for num_made in (1, 0 if gain > 1 else 1):
        reference = Reference(home)
        engine = reference.engine(unchecked, is_asked=False)
        engine.features(PIXELS)
        assert (engine.provenance["engine"], reference.num_made) == (expected, num_made)
    asked = Reference(home).engine(unchecked)
    asked.features(PIXELS)
    assert asked.provenance["engine"] == "openvino"


def test_where_it_was_asked_for_and_disagrees_is_an_error(home, unchecked, monkeypatch):
    """Nobody who names an engine gets another."""
    monkeypatch.setitem(openvino.TOLERANCE, "float32", -1.0)

    with pytest.raises(DisagreementError, match="use --engine tensorflow"):
        Reference(home).engine(unchecked, is_asked=True).features(PIXELS)


def test_stage_one_runs_on_it(tmp_path):
    """Rows made by it are found again, say so, and are what TensorFlow makes of their photographs."""
    options = Settings.of(
        base="squeezenet", size=48, weights="random", engine="openvino", cache=tmp_path / "a", runs=tmp_path / "runs"
    )
    photos = draw_tree(tmp_path / "photos", {"": 20})
    done = extract(photos, settings=options)
    plain = extract(photos, settings=options.with_changes(engine="tensorflow", cache=tmp_path / "b"))

    assert (done.engine, plain.engine) == ("openvino", "tensorflow")
    assert_agree(done.store.read(done.keys()), plain.store.read(plain.keys()))
    assert extract(photos, settings=options).num_new == 0
    assert recompute(scan(photos), 10, options.with_changes(engine="tensorflow")).bad == ()


@pytest.mark.parametrize(
    ("settings", "num_rows", "expected"),
    [
        ({}, 499, "tensorflow"),
        ({}, 500, "openvino"),
        ({"device": "cpu"}, 500, "openvino"),
        ({"engine": "tensorflow"}, 500, "tensorflow"),
        ({"engine": "openvino"}, 1, "openvino"),
        ({"precision": "mixed_bfloat16"}, 500, "tensorflow"),
    ],
)
def test_auto_takes_it_where_it_pays(settings, num_rows, expected, tmp_path, monkeypatch):
    """On the CPU, in float32, and for more rows than a conversion costs."""
    monkeypatch.setattr(choose, "_GPU_DEVICES", ())
    options = Settings.of(base="squeezenet", size=32, weights="random", cache=tmp_path, **settings)
    recipe, _ = recipe_of(scan(draw_tree(tmp_path / "photos", {"": 2})), options)

    assert make_engine(recipe, options.features.weights, options.compute, num_rows).provenance["engine"] == expected


def test_auto_leaves_it_where_there_is_a_gpu(tmp_path, monkeypatch):
    """A device file tells, without loading TensorFlow."""
    monkeypatch.setattr(choose, "_GPU_DEVICES", ("null",))
    options = Settings.of(base="squeezenet", size=32, weights="random", cache=tmp_path)
    recipe, _ = recipe_of(scan(draw_tree(tmp_path / "photos", {"": 2})), options)

    assert make_engine(recipe, options.features.weights, options.compute, 500).provenance["engine"] == "tensorflow"


@pytest.mark.parametrize(
    ("settings", "error", "expected"),
    [
        ({"device": "gpu"}, SettingError, "on the CPU, in float32 or bfloat16"),
        ({"precision": "mixed_float16"}, SettingError, "Received: --device auto --precision mixed_float16"),
    ],
)
def test_what_it_cannot_do_is_refused(settings, error, expected, tmp_path):
    """Naming it and a GPU, or half precision, cannot both be meant."""
    options = Settings.of(base="squeezenet", size=32, weights="random", cache=tmp_path, engine="openvino", **settings)
    recipe, _ = recipe_of(scan(draw_tree(tmp_path / "photos", {"": 2})), options)

    with pytest.raises(error, match=expected):
        make_engine(recipe, options.features.weights, options.compute, 1)


def test_without_its_package_it_is_an_error_to_name_it(tmp_path, monkeypatch):
    """The message says what to install."""
    monkeypatch.setattr(choose, "find_spec", lambda name: None)
    options = Settings.of(base="squeezenet", size=32, weights="random", cache=tmp_path, engine="openvino")
    recipe, _ = recipe_of(scan(draw_tree(tmp_path / "photos", {"": 2})), options)

    with pytest.raises(MissingExtraError, match=r"pip install 'bottleneck-pipeline\[openvino\]'"):
        make_engine(recipe, options.features.weights, options.compute, 1)


def test_an_unknown_engine_is_refused():
    """Before anything is read."""
    with pytest.raises(SettingError, match="The engine is one of"):
        Settings.of(engine="tensorrt")


class TestWinograd:
    """Winograd convolutions, where they are faster."""

    def engine(self, home, folder, **settings) -> tuple[OpenVINOEngine, Reference]:
        reference = Reference(home, base="vgg16", cut="block3_conv1", **settings)
        return reference.engine(folder), reference

    @pytest.mark.parametrize("gain", [0.9, 1.1])
    def test_the_faster_convolutions_are_taken_and_remembered(self, gain, home, tmp_path, monkeypatch):
        """It is measured for the first batch alone; rows are TensorFlow's either way, and say how they were made."""
        monkeypatch.setattr(openvino, "_gain", lambda *_: gain)
        first, reference = self.engine(home, tmp_path)
        rows = first.features(PIXELS)
        assert_agree(rows, reference().features(PIXELS))

        monkeypatch.setattr(openvino, "_gain", None)
        again, _ = self.engine(home, tmp_path)
        assert np.array_equal(again.features(PIXELS), rows)
        assert ("convolutions" in first.provenance) is ("convolutions" in again.provenance) is (gain > 1)

    def test_bfloat16_is_computed_directly(self, home, tmp_path, monkeypatch):
        """Its digits would not be enough."""
        if not has_bfloat16():
            pytest.skip("this processor has no bfloat16")
        monkeypatch.setattr(openvino, "_gain", lambda *_: 1.1)
        engine, _ = self.engine(home, tmp_path, precision="bfloat16")
        engine.features(PIXELS)

        assert "convolutions" not in engine.provenance


def test_a_few_rows_take_a_conversion_that_was_approved(tmp_path, monkeypatch):
    """Converting is not worth it for them, but starting TensorFlow takes longer than reading a conversion."""
    monkeypatch.setenv("BOTTLENECK_HOME", str(tmp_path))
    monkeypatch.setattr(choose, "_GPU_DEVICES", ())
    options = Settings.of(base="squeezenet", size=32, weights="random", cache=tmp_path)
    recipe, _ = recipe_of(scan(draw_tree(tmp_path / "photos", {"": 2})), options)
    monkeypatch.setattr(openvino, "gain", lambda *_: 2.0)
    names = []
    for num_rows in (499, 500, 1):
        engine = make_engine(recipe, "random", options.compute, num_rows)
        engine.features(PIXELS)
        names.append(engine.provenance["engine"])

    assert names == ["tensorflow", "openvino", "openvino"]


class TestBfloat16:
    """The arithmetic of a recipe, which OpenVINO has on some processors."""

    needs_bfloat16 = pytest.mark.skipif(not has_bfloat16(), reason="this processor has no bfloat16")

    @needs_bfloat16
    def test_rows_differ_from_those_of_float32_by_the_rounding_only(self, converted, folder, home):
        """They are float32 numbers, more than the tolerance of float32 away and less than that of bfloat16."""
        reference, plain = Reference(home, precision="bfloat16"), converted[1]
        rows = reference.engine(folder).features(PIXELS)
        difference = np.abs(rows - plain).max() / np.abs(plain).max()

        assert rows.dtype == np.float32
        assert openvino.TOLERANCE["float32"] < difference < openvino.TOLERANCE["bfloat16"]

    @needs_bfloat16
    def test_the_conversion_of_float32_serves_and_is_checked_again(self, folder, home):
        """One TensorFlow engine is made for the check, none for the conversion, and none the next time."""
        first, again = (Reference(home, precision="bfloat16") for _ in range(2))
        rows = first.engine(folder).features(PIXELS)

        assert np.array_equal(again.engine(folder).features(PIXELS), rows)
        assert (first.num_made, again.num_made) == (1, 0)

    @needs_bfloat16
    def test_an_image_has_the_same_bits_in_every_batch(self, folder, home):
        """As in float32."""
        engine = Reference(home, precision="bfloat16").engine(folder)

        assert np.array_equal(engine.features(PIXELS[5:8]), engine.features(PIXELS)[5:8])

    @needs_bfloat16
    def test_a_difference_beyond_the_tolerance_is_an_error(self, home, unchecked, monkeypatch):
        """No other engine computes these rows."""
        monkeypatch.setitem(openvino.TOLERANCE, "bfloat16", 1e-6)

        with pytest.raises(DisagreementError, match=r"in bfloat16 differs .* use --precision float32"):
            Reference(home, precision="bfloat16").engine(unchecked, is_asked=False).features(PIXELS)

    @needs_bfloat16
    def test_stage_one_stores_them_apart(self, tmp_path):
        """By the name of the precision alone, even for a few images; a second call finds them."""
        options = Settings.of(
            base="squeezenet", size=48, weights="random", precision="bfloat16", cache=tmp_path / "a", runs=tmp_path
        )
        photos = draw_tree(tmp_path / "photos", {"": 4})
        done = extract(photos, settings=options)
        plain = extract(photos, settings=options.with_changes(precision="float32"))

        assert (done.engine, done.store.recipe.precision, plain.num_new) == ("openvino", "bfloat16", 8)
        assert extract(photos, settings=options).num_new == 0
        assert recompute(scan(photos), 4, options).bad == ()

    def test_a_processor_without_it_is_an_error(self, home, tmp_path, monkeypatch):
        """The message names what the processor lacks, before anything is converted."""
        monkeypatch.setattr(openvino, "has_bfloat16", lambda: False)

        with pytest.raises(SettingError, match=r"AVX512_BF16 or AMX.* Use --precision float32"):
            Reference(home, precision="bfloat16").engine(tmp_path)
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        ("settings", "error", "expected"),
        [
            ({"engine": "tensorflow"}, SettingError, "Received: --engine tensorflow"),
            ({"device": "gpu:1"}, SettingError, "received --device gpu:1. Use --precision mixed_bfloat16"),
            ({}, MissingExtraError, r"pip install 'bottleneck-pipeline\[openvino\]'"),
        ],
        ids=str,
    )
    def test_what_cannot_compute_it_is_refused(self, settings, error, expected, home, monkeypatch):
        """Another engine or device, or a machine without OpenVINO."""
        monkeypatch.setattr(choose, "_GPU_DEVICES", ())
        monkeypatch.setattr(choose, "find_spec", lambda name: None)
        recipe, _ = make_recipe(home, precision="bfloat16")

        with pytest.raises(error, match=expected):
            make_engine(recipe, "random", Settings.of(**settings).compute, 1)

    def test_a_gpu_is_a_question(self, home, monkeypatch):
        """Whether the GPU or the processor is meant is not guessed."""
        monkeypatch.setattr(choose, "_GPU_DEVICES", ("null",))
        recipe, _ = make_recipe(home, precision="bfloat16")

        with pytest.raises(
            SettingError, match=r"this machine has a GPU. Use --precision mixed_bfloat16, or --device cpu"
        ):
            make_engine(recipe, "random", Settings.of().compute, 1)

    def test_tensorflow_does_not_compute_it(self, home):
        """Rows of another arithmetic would get the name of this one."""
        recipe, file = make_recipe(home, precision="bfloat16")

        with pytest.raises(SettingError, match="TensorFlow does not compute rows in bfloat16"):
            TensorFlowEngine(recipe, file)

    @needs_bfloat16
    @pytest.mark.parametrize(("gain", "limit", "is_told"), [(1.9, 0.05, True), (1.1, 0.05, False), (1.9, 1e-6, False)])
    def test_a_long_job_in_float32_is_told_of_it(self, gain, limit, is_told, folder, home, monkeypatch, caplog):
        """Once, with the measured gain, where it is worth it and the network can take it; the next job does not measure again."""
        monkeypatch.setattr(openvino, "_LONG_SECONDS", 0.0)
        monkeypatch.setitem(openvino.TOLERANCE, "bfloat16", limit)
        monkeypatch.setattr(openvino, "_gain", lambda *_: gain)
        for _ in range(2):
            caplog.clear()
            engine = Reference(home).engine(folder, num_rows=10_000)
            for _ in range(2):
                engine.features(PIXELS)
            assert [("--precision bfloat16 it is 1.9 times" in line) for line in caplog.messages] == [True] * is_told
            monkeypatch.setattr(openvino, "_gain", lambda *_: 1.0)

    @needs_bfloat16
    @pytest.mark.parametrize("num_rows", [0, 40])
    def test_a_short_job_is_not(self, num_rows, folder, home, caplog):
        """Nor one of unknown length."""
        Reference(home).engine(folder, num_rows=num_rows).features(PIXELS)

        assert caplog.messages == []
