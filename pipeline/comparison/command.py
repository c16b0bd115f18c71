"""The command lines that advice and races end with."""

import shlex
from dataclasses import replace
from pathlib import Path

from pipeline.images.manifest import Manifest
from pipeline.settings import FeatureSettings


def command_on(manifest: Manifest, features: FeatureSettings, name: str, *more: str) -> str:
    """A command on this data with these feature settings, as far as they are not the defaults.

    Args:
        manifest: The data.
        features: The settings; `--from` sets a cut of its own.
        name: Of the command.
        more: Options at the end.
    """
    shown = replace(features, cut=None) if "--from" in more else features
    return shlex.join(["bottleneck", name, _data_name(manifest), *shown.as_options(), *more])


def _data_name(manifest: Manifest) -> str:
    """What names the data on the command line; `DATA` for a data frame or a selection."""
    source = manifest.source
    if source is None:
        return "DATA"
    path = Path(source)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else source
