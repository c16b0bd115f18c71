"""Which base a name or a file is."""

import sys
from pathlib import Path

import pytest

from pipeline.bases.find import find_base
from pipeline.bases.table import BASES, BaseSpec, choose_preprocessing
from pipeline.errors import SettingError, UnknownBaseError, WeightsUnavailableError
from tests.bases.models import save_classifier, save_nested

ROWS = list(BASES.values())


def names(spec: BaseSpec) -> str:
    return spec.name


@pytest.mark.parametrize("spelling", ["VGG16", "vgg-16", "vgg_16", "Vgg16"])
def test_a_base_is_found_however_it_is_spelt(spelling: str):
    """Case, dashes and underscores do not matter."""
    assert find_base(spelling) is BASES["vgg16"]


def test_an_unknown_base_is_refused():
    """The message lists the known ones."""
    with pytest.raises(
        UnknownBaseError, match=r"Unknown base 'vgg17'\. Did you mean 'vgg19'\? Known bases .*vgg16, vgg19, squeezenet"
    ):
        find_base("vgg17")


@pytest.mark.parametrize("spec", ROWS, ids=names)
def test_a_size_below_the_smallest_is_refused(spec: BaseSpec):
    """One pixel less than the table's smallest does not reach the network."""
    too_small = spec.smallest_px - 1

    with pytest.raises(
        UnknownBaseError,
        match=f"^{spec.name} needs images of at least {spec.smallest_px} px. Received: --size {too_small}.$",
    ):
        find_base(spec.name, too_small)


def test_a_model_file_is_loaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Then its SHA-256 says what it is, without TensorFlow."""
    file = save_classifier(tmp_path / "flowers.keras")
    first = find_base(str(file))
    monkeypatch.setitem(sys.modules, "pipeline.bases.model_file", None)  # importing it is an error

    assert find_base("flowers.keras", weights=str(file)) == first
    assert (first.name, first.native_px, first.last_layer, first.is_file) == ("flowers.keras", 32, "second", True)


def test_a_missing_model_file_is_named(tmp_path: Path):
    """And how its path is given."""
    with pytest.raises(
        WeightsUnavailableError, match=r"'flowers.keras' is a model of your own. .*there is nothing.* --base FILE"
    ):
        find_base(str(tmp_path / "flowers.keras"))


def test_preprocessing_inside_is_used_and_none_is_guessed(tmp_path: Path):
    """A file that does not say how its pixels are made is a question."""
    inside, unknown = save_classifier(tmp_path / "flowers.keras"), save_nested(tmp_path / "nested.keras")

    assert (
        choose_preprocessing(find_base(str(inside)), "native").as_dict()
        == choose_preprocessing(find_base(str(inside)), "none").as_dict()
    )
    with pytest.raises(
        SettingError, match=r"nested.keras does not say how its pixels are prepared.*--preprocess .*rescale"
    ):
        choose_preprocessing(find_base(str(unknown)), "native")
    assert choose_preprocessing(find_base(str(unknown)), "torch").offset != (0, 0, 0)
