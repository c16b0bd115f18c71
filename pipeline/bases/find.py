"""Which base a name or a file is."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.bases.known_files import FileFacts, KnownFiles
from pipeline.bases.names import HUB, JOIN, JOINED, is_model, is_onnx, name_of
from pipeline.bases.table import BASES, BaseSpec, Preprocessing
from pipeline.errors import UnknownBaseError, WeightsUnavailableError, did_you_mean
from pipeline.surroundings import home_folder


def find_base(name: str, size_px: int | None = None, *, weights: str = "imagenet") -> BaseSpec:
    """The base of this name, in whose spelling case, `-` and `_` do not count, or that of a model, or several joined by `+`.

    A model is loaded with TensorFlow when it is seen for the first time; what was learnt is then remembered by its SHA-256.

    Args:
        name: A name of the table, that of a model, or where the model is.
        size_px: The input size that is wanted.
        weights: Where the model is, if `name` does not say it.

    Raises:
        UnknownBaseError: There is none, or the size is below its smallest.
        WeightsUnavailableError: There is no such model.
    """
    if JOIN in name and not is_model(name):
        return _joined([find_base(part, size_px) for part in name.split(JOIN)])
    if is_model(name):
        return _of_model(name if weights == "imagenet" else weights)
    key = name.lower().replace("-", "").replace("_", "")
    if key not in BASES:
        raise UnknownBaseError(
            f"Unknown base {name!r}.{did_you_mean(key, BASES)} Known bases (see `bottleneck bases`): {', '.join(BASES)}; "
            "or a model file, .keras, .h5 or .onnx; or a preset of KerasHub, hub:NAME or its folder; or several names with + between them."
        )
    spec = BASES[key]
    if size_px is not None and size_px < spec.smallest_px:
        raise UnknownBaseError(
            f"{spec.name} needs images of at least {spec.smallest_px} px. Received: --size {size_px}."
        )
    return spec


def _joined(parts: Sequence[BaseSpec]) -> BaseSpec:
    names = [part.name for part in parts]
    if len(set(names)) < len(names) or any(part.is_file for part in parts):
        raise UnknownBaseError(
            f"Bases that are joined are different ones of `bottleneck bases`. Received: {JOIN.join(names)}."
        )
    return BaseSpec(
        name=JOIN.join(names),
        builder="",
        mode="none",
        native_px=max(part.native_px for part in parts),
        smallest_px=max(part.smallest_px for part in parts),
        last_layer=JOINED,
        channels=sum(part.channels for part in parts),
        parameters=sum(part.parameters for part in parts),
        parts=tuple(parts),
    )


def _of_model(source: str) -> BaseSpec:
    file = Path(source if source.startswith(HUB) else Path(source).expanduser())
    if not source.startswith(HUB) and not file.exists():
        raise WeightsUnavailableError(
            f"The base {name_of(source)!r} is a model of your own. Received: {source!r}, where there is nothing. Give its path: --base FILE."
        )
    memory = KnownFiles(home_folder())
    known = memory.recall(file)
    if known is None:
        known = _describe(file)
        memory.remember(file, known)
    scale, offset = known["scale"], known["offset"]
    own = Preprocessing("native", scale=tuple(scale), offset=tuple(offset)) if scale else None  # type: ignore[arg-type]
    return BaseSpec(
        name=name_of(source),
        builder="",
        mode=known["mode"],
        native_px=known["native_px"],
        smallest_px=known["smallest_px"],
        last_layer=known["last_layer"],
        channels=known["channels"],
        parameters=known["parameters"],
        own_preprocessing=own,
    )


def _describe(file: Path) -> FileFacts:
    if is_onnx(file.name):
        from pipeline.bases.onnx_model import describe_onnx

        return describe_onnx(file)
    from pipeline.bases.model_file import describe_file

    return describe_file(file)
