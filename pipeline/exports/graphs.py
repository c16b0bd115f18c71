"""Whether a SavedModel does nothing but compute: it is a program, and one from elsewhere could read and write files.

What is loaded and run are the functions of the file. None of them may hold an operation that keeps state or reaches
outside, but for the two that TensorFlow writes into every file for saving and restoring (which nothing calls here); and no
resource may have a function of its own, since such functions run while the file is loaded.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import DamagedStoreError

_KINDS = frozenset({"variable", "user_object", "function", "bare_concrete_function", "constant"})
_SAVER = re.compile(r"__inference__traced_(save|restore)_\d+")
_HARMLESS_STATE = frozenset({"ReadVariableOp", "StatefulPartitionedCall", "If", "While"})
"""Operations that count as stateful and do no more than call other functions or read the network's own weights."""

_REACHING = re.compile("File|PyFunc|Dataset|Reader|Debug|Summary|ImmutableConst|GenerateVocabRemapping|TPU|Table")
"""In the names of operations that count as stateless, and do more than compute."""


def check_graphs(path: Path) -> None:
    """Look through the file before TensorFlow loads it.

    Raises:
        DamagedStoreError: It is no SavedModel, or does more than compute.
    """
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    content = saved_model_pb2.SavedModel()
    try:
        content.ParseFromString((path / "saved_model.pb").read_bytes())
    except (OSError, DecodeError) as error:
        raise DamagedStoreError(f"{path} is not a SavedModel: {error}") from error
    if len(content.meta_graphs) != 1 or not content.meta_graphs[0].HasField("object_graph_def"):
        raise DamagedStoreError(f"{path} is not a SavedModel of TensorFlow 2 with one graph.")
    reasons = [*_of_objects(content.meta_graphs[0]), *_of_functions(content.meta_graphs[0].graph_def.library.function)]
    if reasons:
        raise DamagedStoreError(
            f"{path} does more than compute, so it is not loaded: {'; '.join(sorted(set(reasons))[:5])}. "
            "An exported run has none of it."
        )


def _of_objects(graph: Any) -> Iterator[str]:
    for node in graph.object_graph_def.nodes:
        kind = node.WhichOneof("kind")
        if kind not in _KINDS:
            yield f"an object of kind {kind}"
        if node.saveable_objects or node.registered_saver:
            yield "an object that is restored by a function of its own"


def _of_functions(functions: Any) -> Iterator[str]:
    savers = {function.signature.name for function in functions if _SAVER.fullmatch(function.signature.name)}
    names = {function.signature.name for function in functions}
    for function in functions:
        if function.signature.name in savers:
            continue
        for node in function.node_def:
            if node.op not in names and _reaches_out(node.op):
                yield f"the operation {node.op}"
            if savers & {node.op, *_called(node)}:
                yield "a call of the function that saves or restores"


def _called(node: Any) -> Iterator[str]:
    for value in node.attr.values():
        yield from (called.name for called in (value.func, *value.list.func))


def _reaches_out(operation: str) -> bool:
    from tensorflow.python.framework import op_def_registry

    definition = op_def_registry.get(operation)
    if definition is None or _REACHING.search(operation):
        return True
    return definition.is_stateful and operation not in _HARMLESS_STATE
