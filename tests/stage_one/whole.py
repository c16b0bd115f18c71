"""Stage one from a manifest and a store, by one execution backend: what `ensure` does, without its choices."""

import time

from pipeline.stage_one.computing import distribute as workers
from pipeline.stage_one.computing import in_process
from pipeline.stage_one.extraction import Extraction
from pipeline.stage_one.missing import leave_out, missing_items


def extract_in_process(manifest, store, make_engine, *, views=(0,), **settings):
    """Rows by this process."""
    items = missing_items(manifest, store, views)
    return _extraction(manifest, store, in_process.extract_in_process, items, lambda: make_engine(len(items)), settings)


def distribute(manifest, store, make_engine, executor, *, views=(0,), **settings):
    """Rows by workers."""
    items = missing_items(manifest, store, views)
    return _extraction(manifest, store, workers.distribute, items, make_engine, {"workers": executor, **settings})


def _extraction(manifest, store, function, items, make_engine, settings):
    start = time.monotonic()
    done = function(manifest, items, store, make_engine, **settings)
    rest = leave_out(manifest, done.left_out)
    return Extraction(rest, store, done.num_rows, time.monotonic() - start, done.engine)
