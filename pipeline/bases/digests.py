"""Tensor digests: the identity of weights, independent of the file format.

Computing the digest of a trunk needs the network, and so TensorFlow. It is then remembered in the folder of the
weights, under the SHA-256 of the weights file, so that a head on existing rows needs neither.
"""

import functools
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pipeline.files import read_json, write_json
from pipeline.images.files.hash_table import Stamp
from pipeline.images.files.hashing import file_stamp, sha256_file

_MAX_BYTES = 2**26


class _Tensor(Protocol):
    def __array__(self) -> np.ndarray: ...


class _Layer(Protocol):
    name: str
    weights: list[_Tensor]


def tensor_digest(layers: Iterable[_Layer]) -> str:
    """SHA-256, 64 hex digits, over layer name, shape, dtype and bytes of every tensor, in the given order."""
    digest = hashlib.sha256()
    for layer in layers:
        _add_tensors(digest, layer)
    return digest.hexdigest()


def growing_digests(layers: Iterable[_Layer], *, with_graph: bool = False) -> Iterator[str]:
    """Digest of the first layer, of the first two, and so on; each tensor is read once.

    Args:
        layers: In graph order.
        with_graph: Hash settings and inputs of each layer too. The graph of a base of the table follows from its name, so its digest
            is `tensor_digest`; two model files may have the same tensors in other networks.
    """
    digest = hashlib.sha256()
    for layer in layers:
        if with_graph:
            _add_graph(digest, layer)
        _add_tensors(digest, layer)
        yield digest.hexdigest()


def _add_graph(digest: "hashlib._Hash", layer: Any) -> None:
    """Class, settings and inputs of a layer of Keras; the size of the images is another field of the recipe."""
    config = {
        name: value for name, value in layer.get_config().items() if name not in ("batch_shape", "name", "trainable")
    }
    inputs = [tensor._keras_history.operation.name for node in layer._inbound_nodes for tensor in node.input_tensors]  # noqa: SLF001  Keras has no public way
    text = json.dumps([type(layer).__name__, layer.name, config, inputs], sort_keys=True, default=repr)
    digest.update(f"{text}\n".encode())


def _add_tensors(digest: "hashlib._Hash", layer: _Layer) -> None:
    for number, weight in enumerate(layer.weights):
        array = np.ascontiguousarray(np.asarray(weight))
        digest.update(f"{layer.name}/{number} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())


@dataclass(frozen=True)
class TrunkInfo:
    """Facts of a trunk that are known without building it."""

    digest: str
    """Tensor digest of its layers."""

    parameters: int
    """Number of weights, biases and statistics of batch normalization."""

    layer: str | None = None
    """Its last layer, where the cut was given as a block."""

    depth: int | None = None
    """Number of its layers; None if a version before 0.3 remembered it."""

    is_told: bool = False
    """Whether it is known from a store or a manifest file, and not from the weights themselves. Such facts are not remembered."""


class DigestMemory:
    """Remembered trunks by weights file, base and cut."""

    def __init__(self, home: Path) -> None:
        self._path = home / "weights" / "digests.json"

    def recall(self, weights: Path, base: str, cut: str) -> TrunkInfo | None:
        """The trunk; None if this file has not been loaded for this base and cut yet."""
        memory, key = read_memory(self._path), _key(weights, base, cut)
        known = memory.get(key) or _of_block(memory, key, cut)
        if not known:
            return None
        try:
            depth = int(known["depth"]) if "depth" in known else None
            return TrunkInfo(str(known["digest"]), int(known["parameters"]), known.get("layer"), depth)
        except (KeyError, TypeError, ValueError):
            return None

    def remember(self, weights: Path, base: str, cut: str, trunk: TrunkInfo) -> None:
        """Remember a trunk. If several processes do so at once, the last one wins and the others compute theirs again."""
        known = read_memory(self._path) | {_key(weights, base, cut): _plain(trunk)}
        write_json(self._path, dict(sorted(known.items())))


def _of_block(memory: Mapping[str, Any], key: str, cut: str) -> Any:
    """The trunk with this last layer, where it was remembered by the name of its block."""
    start = key.removesuffix(cut)
    ending = (
        {**known, "layer": None} for name, known in memory.items() if name.startswith(start) and _layer(known) == cut
    )
    return next(ending, None)


def _layer(known: Any) -> Any:
    return known.get("layer") if isinstance(known, dict) else None


def read_memory(path: Path) -> dict[str, Any]:
    """What was remembered in a JSON file; nothing if there is none, or it is damaged."""
    try:
        known = read_json(path, _MAX_BYTES, follow_links=True)
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _plain(trunk: TrunkInfo) -> dict[str, Any]:
    return {name: value for name, value in asdict(trunk).items() if value is not None and name != "is_told"}


def _key(weights: Path, base: str, cut: str) -> str:
    return f"{sha256_of(weights)} {base} {cut}"


def sha256_of(weights: Path) -> str:
    """SHA-256 of a file, 64 hex digits; a file that has not changed is read once per process.

    That of a folder is over the names and digests of its files. A name that is no path stands for itself.
    """
    if weights.is_dir():
        files = sorted(path for path in weights.iterdir() if path.is_file())
        text = "\n".join(f"{path.name} {sha256_of(path)}" for path in files)
        return hashlib.sha256(text.encode()).hexdigest()
    if not weights.exists():
        return hashlib.sha256(str(weights).encode()).hexdigest()
    return _sha256(weights, file_stamp(weights)).hex()


@functools.cache
def _sha256(weights: Path, stamp: Stamp | None) -> bytes:  # noqa: ARG001 part of the cache key
    """SHA-256 of the file, computed once per process and stamp."""
    return sha256_file(weights)
