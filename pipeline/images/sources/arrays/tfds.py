"""Data sets of TensorFlow Datasets: downloaded once and kept as one Parquet file, so that later scans need no TensorFlow.

The images stay encoded as in the data set, so their digests are those of the original files.
"""

import contextlib
import itertools
import json
import logging
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import DataLayoutError, MissingExtraError, SettingError
from pipeline.files import replacing
from pipeline.images.sources.words import split_of

# Without a namespace: data sets of other sites run code from there.
_NAME = re.compile(r"\w+(/\w[\w.-]*)?(:\d+\.\d+\.\d+)?")
_BATCH_ROWS = 256


def fetch(name: str, *, home: Path) -> Path:
    """The Parquet file of a data set, with the columns image, split and one per feature of classes.

    Args:
        name: As TensorFlow Datasets spells it: `NAME`, `NAME/CONFIG`, `NAME:1.2.3` or `NAME/CONFIG:1.2.3`.
        home: The file is kept in its folder `datasets`. TensorFlow Datasets downloads and prepares its own files in
            `$TFDS_DATA_DIR`, or `datasets/tfds` there; they can be deleted afterwards.

    Raises:
        SettingError: The name is not valid.
        DataLayoutError: There is no such data set, it cannot be downloaded, or it has no images.
        MissingExtraError: tensorflow-datasets is not installed.
    """
    if not _NAME.fullmatch(name):
        raise SettingError(
            f"Expected tfds:NAME, tfds:NAME/CONFIG, or either with :1.2.3. Received: {'tfds:' + name!r}."
        )
    kept = home / "datasets" / f"tfds-{re.sub('[/:]', '-', name)}.parquet"
    if not kept.exists():
        with contextlib.redirect_stdout(sys.stderr):  # standard output is for results
            _keep(kept, _prepare(name, os.environ.get("TFDS_DATA_DIR") or home / "datasets" / "tfds"))
    return kept


def _prepare(name: str, folder: str | Path) -> Any:
    try:
        import tensorflow_datasets
    except ImportError:
        raise MissingExtraError(
            "The first use of tfds:NAME needs TensorFlow Datasets: pip install 'bottleneck-pipeline[tfds]'."
        ) from None
    try:
        builder = tensorflow_datasets.builder(name, data_dir=folder)
        builder.download_and_prepare()
    except Exception as error:  # builders raise the errors of any library that they use
        first = str(error).strip().partition("\n")[0]
        raise DataLayoutError(
            f"TensorFlow Datasets could not prepare {name!r}: {type(error).__name__}: {first}. Give its images as a folder "
            "or an archive, or set TFDS_DATA_DIR to the folder where it has been prepared."
        ) from error
    return builder


def _keep(path: Path, builder: Any) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    image, classes = _features(builder)
    kinds = {name: {"names": names, "_type": "ClassLabel"} for name, names in classes.items()}
    schema = pa.schema(
        {"image": pa.binary(), "split": pa.string(), **dict.fromkeys(classes, pa.int64())},
        metadata={"huggingface": json.dumps({"info": {"features": kinds}})},
    )
    with replacing(path) as beside, parquet.ParquetWriter(beside, schema, compression="none") as writer:
        for split, given in _splits(builder).items():
            examples = _examples(builder, given, [image, *classes])
            while batch := list(itertools.islice(examples, _BATCH_ROWS)):
                columns = {name: [example[name] for example in batch] for name in classes}
                rows = {"image": [example[image] for example in batch], "split": [split] * len(batch), **columns}
                writer.write_batch(pa.record_batch(rows, schema=schema))


def _features(builder: Any) -> tuple[str, dict[str, list[str]]]:
    """The feature that is the image, and the names of the classes of each feature of classes."""
    import tensorflow_datasets

    features: Mapping[str, Any] = builder.info.features
    images = [name for name, kind in features.items() if type(kind) is tensorflow_datasets.features.Image]
    chosen = images if len(images) == 1 else [name for name in images if name == "image"]
    if not chosen or features[chosen[0]].np_dtype.kind != "u":
        raise DataLayoutError(
            f"{builder.name} needs one feature that is an image of 8 or 16 bits; if there are several, one is named image. "
            f"Received: {sorted(features)}."
        )
    labels = {name for name, kind in features.items() if isinstance(kind, tensorflow_datasets.features.ClassLabel)}
    return chosen[0], {name: list(features[name].names) for name in sorted(labels - {"image", "split"})}


def _splits(builder: Any) -> dict[str | None, str]:
    """The data set's splits by the project's names; if it has none of these names, all its splits together under None."""
    given = list(builder.info.splits)
    known: dict[str | None, str] = {split_of(split): split for split in given if split_of(split)}
    others = sorted(set(given) - set(known.values()))
    if known and others:
        logging.getLogger("pipeline").warning("tfds:%s: the splits %s are skipped.", builder.name, ", ".join(others))
    return known or {None: "+".join(given)}


def _examples(builder: Any, split: str, features: list[str]) -> Iterator[Mapping[str, Any]]:
    from tensorflow_datasets import as_numpy, decode

    chosen = decode.PartialDecoding(dict.fromkeys(features, True), decoders={features[0]: decode.SkipDecoding()})
    return iter(as_numpy(builder.as_dataset(split=split, decoders=chosen)))
