"""What a base may be called."""

import pytest

from pipeline.bases.names import is_model, is_preset, name_of


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("models/flowers.keras", True),
        ("flowers.H5", True),
        ("vgg16", False),
        ("vgg16.weights.h5", False),
        ("flowers.onnx", True),
        ("flowers.tflite", False),
        ("hub:vit_base_patch16_224_imagenet", True),
        ("vit_base.hub", True),
    ],
)
def test_model_files_are_known_by_their_ending(base: str, expected: bool):
    """Files of weights alone are none."""
    assert is_model(base) is expected


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("a/flowers v2.keras", "flowers_v2.keras"),
        ("/x/Blüten.keras", "Bl_ten.keras"),
        (f"{'a' * 200}.h5", f"{'a' * 93}.h5"),
    ],
)
def test_the_name_of_a_file_can_be_a_folders(file: str, expected: str):
    """Names of stores have it in them."""
    assert name_of(file) == expected


def test_a_folder_with_the_files_of_a_preset_is_one(tmp_path):
    """Whatever it is called; another folder is not."""
    (tmp_path / "vit").mkdir()
    assert not is_model(str(tmp_path / "vit"))

    (tmp_path / "vit" / "config.json").write_text("{}")

    assert is_preset(str(tmp_path / "vit"))
    assert name_of(str(tmp_path / "vit")) == "vit.hub"
    assert name_of("hub:vit_base") == "vit_base.hub"
