"""An index of many rows, by FAISS: rows are divided among centres, and a search looks at those of the nearest centres alone.

It is approximate: RESULTS.md has the share of the true neighbours that are found. An index is made once for a list of rows, and kept in
the project's own folder: FAISS trusts the files that it reads, and a cache may come from elsewhere.

Letters: N images, D features, Q queries, k neighbours.
"""

import hashlib
import logging
import math
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.cache.store import Keys, Store
from pipeline.files import replacing
from pipeline.insight.neighbours import Array, Nearest, unit_length
from pipeline.progress import progress_bar
from pipeline.stage_two.rows import StoredRows
from pipeline.surroundings import index_folder

logger = logging.getLogger(__name__)

PROBED = 0.25
"""Share of the centres whose rows are compared with a query: real rows lose a third of the true neighbours with 0.03, and one in 17 at most with this."""

KEPT = 4
"""Files of indexes that are kept, the newest."""

_VERSION = "1"
_PER_CENTRE = 48
"""Rows for each centre that are used to find the centres; FAISS advises 39 to 256."""

_BLOCK_ROWS = 50_000


def has_library() -> bool:
    """Whether FAISS is installed: the extra `index`."""
    return find_spec("faiss") is not None


class Index:
    """Finds rows with a high cosine.

    Args:
        found: FAISS' index of rows of length 1.
    """

    def __init__(self, found: Any) -> None:
        self._found = found
        found.nprobe = max(1, round(PROBED * found.nlist))

    def __len__(self) -> int:
        return int(self._found.ntotal)

    def search(self, unit: Array, k: int) -> Nearest:
        """The k nearest rows of each query.

        Args:
            unit: Queries of length 1, (Q, D).
            k: How many; there may be fewer, then -1 follows.
        """
        cosines, images = self._found.search(np.ascontiguousarray(unit, np.float32), k)
        cosines[images < 0] = -1
        return Nearest(images.astype(np.int64), np.clip(cosines, -1, 1))


def open_index(store: Store, keys: Keys, pooling: str, *, progress: bool = False) -> Index:
    """The index of these rows, from its file, or made now.

    Args:
        store: Has the rows.
        keys: Of the rows, (N,), in the order of the images.
        pooling: How they are pooled when they are read.
        progress: Show a progress bar while it is made.
    """
    import faiss

    path = index_path(store, keys, pooling)
    if path.is_file():
        try:
            index = Index(faiss.read_index(str(path), faiss.IO_FLAG_MMAP))
            if len(index) == len(keys):
                return index
        except RuntimeError as error:
            logger.warning("The index %s cannot be read, and is made again: %s", path.name, error)
    logger.info("%s: an index of %d rows is made.", store.name, len(keys))
    found = build_index(StoredRows(store, keys, pooling, _BLOCK_ROWS), progress=progress)
    try:
        _keep(found, path)
    except (OSError, RuntimeError) as error:
        logger.warning("The index is not kept, so the next search makes it again: %s", error)
    return Index(found)


def index_path(store: Store, keys: Keys, pooling: str) -> Path:
    """The file of an index: named after everything that it depends on."""
    digest = hashlib.sha256(f"{_VERSION} {store.recipe.fingerprint} {pooling} {len(keys)} ".encode())
    digest.update(np.ascontiguousarray(keys).tobytes())
    return index_folder() / f"{store.recipe.base}-{digest.hexdigest()[:24]}.faiss"


def build_index(rows: StoredRows, *, progress: bool = False) -> Any:
    """FAISS' index of these rows: as many centres as the root of their number, rows of length 1 in 16 bits.

    Args:
        rows: (N, D); they are read in blocks.
        progress: Show a progress bar.
    """
    import faiss

    num_centres = max(1, round(math.sqrt(len(rows))))
    index: Any = faiss.index_factory(rows.shape[-1], f"IVF{num_centres},SQfp16", faiss.METRIC_INNER_PRODUCT)
    index.cp.min_points_per_centroid = 1
    chosen = np.random.default_rng(0).permutation(len(rows))[: _PER_CENTRE * num_centres]
    index.train(unit_length(_flat(rows[np.sort(chosen)])))
    blocks = progress_bar(rows.blocks(), desc="index", unit="block", progress=progress)
    for positions, part in blocks:
        index.add_with_ids(unit_length(_flat(part)), positions.astype(np.int64))
    return index


def _flat(rows: Array) -> Array:
    return rows.reshape(len(rows), -1)


def _keep(found: Any, path: Path) -> None:
    """Write the file, and remove the oldest of many."""
    import faiss

    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside:
        faiss.write_index(found, str(beside))
    files = sorted(path.parent.glob("*.faiss"), key=lambda file: file.stat().st_mtime)
    for old in files[:-KEPT]:
        old.unlink(missing_ok=True)
