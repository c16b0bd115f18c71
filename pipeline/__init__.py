"""Run a frozen conv base over your images once; train heads on the cached features in seconds.

import pipeline

run = pipeline.fit("photos", "logreg", base="vgg16", size=150)
run.predict(["new.jpg"])
"""

import importlib
import os
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from pipeline.version import __version__ as __version__

# Faster convolutions on the CPU (8.7 to 12.2 images per second for VGG16 at 150 px); the user's own setting wins.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# Shells of a notebook inherit its backend, `module://matplotlib_inline.backend_inline`. Where that is not installed,
# matplotlib cannot be imported, and so Keras cannot.
_backend = os.environ.get("MPLBACKEND", "")
if _backend.startswith("module://") and find_spec(_backend.removeprefix("module://").partition(".")[0]) is None:
    del os.environ["MPLBACKEND"]
if any(name.startswith("TQDM_") for name in os.environ):
    from pipeline.progress import drop_wrong_variables

    drop_wrong_variables()

if TYPE_CHECKING:
    from pipeline.api import (
        advise,
        classify,
        compare,
        end_to_end,
        evaluate,
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
    from pipeline.inspection import audit, explain, similar
    from pipeline.maintenance import (
        compact_cache,
        describe_store,
        export_cache,
        fetch_weights,
        forget_images,
        import_cache,
        list_bases,
        list_stores,
        list_weights,
        prune_cache,
        pull_cache,
        push_cache,
        repair_cache,
        verify_cache,
    )
    from pipeline.runs.run import Run
    from pipeline.settings import (
        Compute,
        FeatureSettings,
        Paths,
        Settings,
        Tracking,
    )
    from pipeline.transformer import FeatureExtractor

# Names are loaded when first used, so that `import pipeline` costs nothing.
_NAMES = {
    "pipeline.api": "advise classify compare end_to_end evaluate export extract extract_views finetune fit list_runs load_exported load_run plan predict report reproduce scan sweep tune",
    "pipeline.images.augment": "Augmentation",
    "pipeline.images.manifest": "Manifest",
    "pipeline.inspection": "audit explain similar",
    "pipeline.maintenance": "compact_cache describe_store export_cache fetch_weights forget_images import_cache list_bases list_stores list_weights prune_cache pull_cache push_cache repair_cache verify_cache",
    "pipeline.runs.run": "Run",
    "pipeline.settings": "Compute FeatureSettings Paths Settings Tracking",
    "pipeline.transformer": "FeatureExtractor",
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = [
    "Augmentation",
    "Compute",
    "FeatureExtractor",
    "FeatureSettings",
    "Manifest",
    "Paths",
    "Run",
    "Settings",
    "Tracking",
    "advise",
    "audit",
    "classify",
    "compact_cache",
    "compare",
    "describe_store",
    "end_to_end",
    "evaluate",
    "explain",
    "export",
    "export_cache",
    "extract",
    "extract_views",
    "fetch_weights",
    "finetune",
    "fit",
    "forget_images",
    "import_cache",
    "list_bases",
    "list_runs",
    "list_stores",
    "list_weights",
    "load_exported",
    "load_run",
    "plan",
    "predict",
    "prune_cache",
    "pull_cache",
    "push_cache",
    "repair_cache",
    "report",
    "reproduce",
    "scan",
    "similar",
    "sweep",
    "tune",
    "verify_cache",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'pipeline' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
