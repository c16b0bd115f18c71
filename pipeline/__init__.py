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
    from pipeline.stage_two.training import Training
    from pipeline.transformer import FeatureExtractor
    from pipeline.verbs.export import export
    from pipeline.verbs.exported import load_exported
    from pipeline.verbs.heads import fit, sweep
    from pipeline.verbs.options import Options
    from pipeline.verbs.rows import extract, scan
    from pipeline.verbs.run import Run, load_run, predict
    from pipeline.verbs.tune import end_to_end, finetune
    from pipeline.verbs.tuning import Tuning
    from pipeline.verbs.views import Views, extract_views

# Names are loaded when first used, so that `import pipeline` costs nothing.
_HOMES = {
    "FeatureExtractor": "pipeline.transformer",
    "Training": "pipeline.stage_two.training",
    "Options": "pipeline.verbs.options",
    "Run": "pipeline.verbs.run",
    "Tuning": "pipeline.verbs.tuning",
    "Views": "pipeline.verbs.views",
    "end_to_end": "pipeline.verbs.tune",
    "export": "pipeline.verbs.export",
    "extract": "pipeline.verbs.rows",
    "extract_views": "pipeline.verbs.views",
    "finetune": "pipeline.verbs.tune",
    "fit": "pipeline.verbs.heads",
    "load_exported": "pipeline.verbs.exported",
    "load_run": "pipeline.verbs.run",
    "predict": "pipeline.verbs.run",
    "scan": "pipeline.verbs.rows",
    "sweep": "pipeline.verbs.heads",
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
