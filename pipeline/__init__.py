"""Run a frozen conv base over your images once; train heads on the cached features in seconds.

import pipeline

run = pipeline.fit("photos", "logreg", base="vgg16", size=150)
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
    from pipeline.api import (
        advise,
        classify,
        compare,
        end_to_end,
        export,
        extract,
        extract_views,
        finetune,
        fit,
        list_runs,
        load_exported,
        load_run,
        plan,
        predict,
        report,
        reproduce,
        scan,
        sweep,
        tune,
    )
    from pipeline.images.augment import Augmentation
    from pipeline.images.manifest import Manifest
    from pipeline.runs.run import Run
    from pipeline.transformer import FeatureExtractor

# Names are loaded when first used, so that `import pipeline` costs nothing.
_HOMES = {
    "Augmentation": "pipeline.images.augment",
    "FeatureExtractor": "pipeline.transformer",
    "Manifest": "pipeline.images.manifest",
    "Run": "pipeline.runs.run",
    "advise": "pipeline.api",
    "classify": "pipeline.api",
    "compare": "pipeline.api",
    "end_to_end": "pipeline.api",
    "export": "pipeline.api",
    "extract": "pipeline.api",
    "extract_views": "pipeline.api",
    "finetune": "pipeline.api",
    "fit": "pipeline.api",
    "list_runs": "pipeline.api",
    "load_exported": "pipeline.api",
    "load_run": "pipeline.api",
    "plan": "pipeline.api",
    "predict": "pipeline.api",
    "report": "pipeline.api",
    "reproduce": "pipeline.api",
    "scan": "pipeline.api",
    "sweep": "pipeline.api",
    "tune": "pipeline.api",
}

__all__ = [
    "Augmentation",
    "FeatureExtractor",
    "Manifest",
    "Run",
    "advise",
    "classify",
    "compare",
    "end_to_end",
    "export",
    "extract",
    "extract_views",
    "finetune",
    "fit",
    "list_runs",
    "load_exported",
    "load_run",
    "plan",
    "predict",
    "report",
    "reproduce",
    "scan",
    "sweep",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'pipeline' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
