"""The command lines that advice and races end with."""

from dataclasses import replace

import pytest

from pipeline.comparison.command import command_on
from pipeline.settings import FeatureSettings
from tests.calls import scan


@pytest.mark.parametrize(
    ("features", "name", "more", "expected"),
    [
        (FeatureSettings(size=150), "head", (), "bottleneck head photos --size 150"),
        (FeatureSettings(cut="block4_pool"), "head", (), "bottleneck head photos --cut block4_pool"),
        (
            FeatureSettings(base="vgg19", weights="my file.h5", exif=False, cut="block4_pool"),
            "finetune",
            ("--from", "block5_conv1"),
            "bottleneck finetune photos --base vgg19 --weights 'my file.h5' --no-exif --from block5_conv1",
        ),
    ],
)
def test_a_command_has_the_settings_that_are_not_the_defaults(features, name, more, expected, photos, monkeypatch):
    """It names the data as seen from the current folder."""
    manifest = scan(photos)
    named = replace(manifest, source=str(photos.parent / "photos"))
    monkeypatch.chdir(photos.parent)

    assert command_on(named, features, name, *more) == expected
    assert command_on(replace(manifest, source="sklearn:digits"), features, name).split()[2] == "sklearn:digits"
    assert command_on(replace(manifest, source=None), features, name).split()[2] == "DATA"
