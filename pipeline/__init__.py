"""Run a frozen conv base over your images once; train heads on the cached features in seconds.

import pipeline

run = pipeline.fit("photos", "logreg", options=pipeline.Options(base="vgg16", size=150))
run.predict(["new.jpg"])
"""

import importlib
import os
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Faster convolutions on the CPU (8.7 to 12.2 images a second for VGG16 at 150 px); the user's own setting wins.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# Shells of a notebook inherit its backend, `module://matplotlib_inline.backend_inline`. Where that is not installed,
# matplotlib cannot be imported, and so Keras cannot.
_backend = os.environ.get("MPLBACKEND", "")
if _backend.startswith("module://") and find_spec(_backend.removeprefix("module://").partition(".")[0]) is None:
    del os.environ["MPLBACKEND"]

if TYPE_CHECKING:
    from pipeline.exports.export import export
    from pipeline.exports.load import load_exported
    from pipeline.runs.run import Run, load_run, predict
    from pipeline.settings import Options
    from pipeline.stage_one.ensure import extract, scan
    from pipeline.stage_one.views import Views, extract_views
    from pipeline.stage_two.dense.settings import Training
    from pipeline.training.finetune.job import Tuning
    from pipeline.training.finetune.tune import end_to_end, finetune
    from pipeline.training.heads import fit, sweep
    from pipeline.transformer import FeatureExtractor

# Names are loaded when first used, so that `import pipeline` costs nothing.
_HOMES = {
    "FeatureExtractor": "pipeline.transformer",
    "Training": "pipeline.stage_two.dense.settings",
    "Options": "pipeline.settings",
    "Run": "pipeline.runs.run",
    "Tuning": "pipeline.training.finetune.job",
    "Views": "pipeline.stage_one.views",
    "end_to_end": "pipeline.training.finetune.tune",
    "export": "pipeline.exports.export",
    "extract": "pipeline.stage_one.ensure",
    "extract_views": "pipeline.stage_one.views",
    "finetune": "pipeline.training.finetune.tune",
    "fit": "pipeline.training.heads",
    "load_exported": "pipeline.exports.load",
    "load_run": "pipeline.runs.run",
    "predict": "pipeline.runs.run",
    "scan": "pipeline.stage_one.ensure",
    "sweep": "pipeline.training.heads",
}

__all__ = [
    "FeatureExtractor",
    "Options",
    "Run",
    "Training",
    "Tuning",
    "Views",
    "end_to_end",
    "export",
    "extract",
    "extract_views",
    "finetune",
    "fit",
    "load_exported",
    "load_run",
    "predict",
    "scan",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'pipeline' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
