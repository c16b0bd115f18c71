"""Write a run as one file, which is compared with the run before it takes its name."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.bases.files import home_folder, weights_file
from pipeline.bases.find import find_base
from pipeline.bases.names import is_onnx, names_preset
from pipeline.cache.recipe import Recipe
from pipeline.errors import PipelineError, SettingError
from pipeline.exports.description import Description, PValues
from pipeline.exports.digests import digest_export, record_export
from pipeline.exports.formats import Format, format_of
from pipeline.exports.keras_file import LABELS_ENDING, check_labels
from pipeline.exports.parity import (
    ENCODED_TOLERANCE,
    TOLERANCE,
    Parity,
    PValueParity,
    in_batches,
    measure_p_values,
    measure_parity,
)
from pipeline.exports.sample_images import sample_images
from pipeline.files import replacing, write_json
from pipeline.html import show_facts
from pipeline.images.decoding.decoder import Decoder
from pipeline.runs.folder import load_arrays
from pipeline.runs.naming import check_target
from pipeline.runs.run import Run
from pipeline.settings import Settings
from pipeline.stage_one.engines.choose import make_reference
from pipeline.stage_two.head import predict_rows
from pipeline.stage_two.novelty.detector import Detector
from pipeline.surroundings import user_path
from pipeline.tasks.task import Task

if TYPE_CHECKING:
    import keras

_MAX_BYTES = 2**31
"""Of ONNX and TFLite files: their formats store lengths in 32 bits."""


@dataclass(frozen=True)
class Export:
    """A file that was written, its digest, and how close its predictions are to those of its run."""

    path: Path
    files: tuple[Path, ...]
    """All files that were written: the export, and for Keras a table of its labels."""

    format: str
    digest: str
    """SHA-256, see `pipeline.exports.digests.digest_export`. It is recorded in the run's folder."""

    parity: Parity
    """From the same pixels."""

    own_images: int
    """Number of the compared images that are the run's own; the others are synthetic."""

    encoded: Parity | None
    """From encoded images, if the file takes these."""

    outputs: str = "probabilities"
    """What the file gives: `probabilities` or `values`."""

    p_values: PValueParity | None = None
    """How close its p-values are; None: it gives none."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "file": str(self.path),
            "files": [str(path) for path in self.files],
            "format": self.format,
            "sha256": self.digest,
            "images": self.parity.images,
            "own_images": self.own_images,
            "largest_difference": self.parity.largest_difference,
            "ties": self.parity.ties,
            "encoded": asdict(self.encoded) if self.encoded else None,
            "outputs": self.outputs,
            **({"p_values": self.p_values.as_dict()} if self.p_values else {}),
        }

    def _repr_html_(self) -> str:
        """What was written, and how close its predictions are."""
        return show_facts(
            {
                "files": ", ".join(map(str, self.files)),
                "format": self.format,
                "compared images": self.parity.images,
                "largest difference": f"{self.parity.largest_difference:.1e}",
                "SHA-256": self.digest,
            }
        )


def export(run: Run, path: str | Path, *, p_value: bool = False) -> Export:
    """Write a run as one file: pixels in, probabilities or numbers out, with preprocessing, labels and a description inside.

    Trunk, tail and head compute in float32. Before the file takes its name, it is loaded by its format's own library and compared
    with the run on 200 images: the run's own that can still be found, validation first, then synthetic ones. Its digest is recorded
    in the run's folder, by which `load_exported` knows it.

    A Keras file comes with `name.labels.json`, the names of the classes in the order of the outputs, for programs that do not read
    the description inside.

    Args:
        run: A run of any kind.
        path: name.keras, name.onnx, name.tflite, or a name without ending for a SavedModel folder. An earlier export of a run is
            replaced.
        p_value: The file gives p-values, too: it holds the run's detector (`pipeline.exports.p_value_layers`).

    Raises:
        SettingError: No format has this ending, something else has one of the names, the network is too large for the format, or
            the run has no p-values.
        MissingExtraError: A package of the format is not installed.
        DisagreementError: The file's predictions differ from the run's; it is not written.
    """
    path = user_path(path)
    form = format_of(path)
    form.require()
    detector = _detector_of(run) if p_value else None
    _check_name(path, form)
    labels = path.with_suffix(LABELS_ENDING) if path.suffix == ".keras" else None
    if labels:
        check_labels(labels, path, run.classes)
    recipe = Recipe.from_dict(run.info.recipe)
    _check_base(recipe, path)
    settings = run.settings.with_changes(base=recipe.base, weights=run.info.weights)
    with replacing(path) as beside:
        _write(run, recipe, settings, form, path, beside, detector)
        done = _compare(run, recipe, settings, beside, form, detector)
        digest = digest_export(beside)
        # Recorded first: a kill in between leaves a record without its file, and never a SavedModel that is unknown.
        record_export(run.folder.path, path.name, form.NAME, digest)
        if labels:
            write_json(labels, list(run.classes))
    return Export(path, (path, labels) if labels else (path,), form.NAME, digest, **done, outputs=run.task.output_name)


def _detector_of(run: Run) -> Detector:
    """The run's detector.

    Raises:
        SettingError: It has none.
    """
    if run.detector is None:
        raise SettingError(
            f"The run {run.name} has no novelty.npz, from which p-values are computed: a version before 0.5 made it, or the file was removed. "
            "Train it again (its command is in run.json), or leave --p-value out."
        )
    return run.detector


def _check_name(path: Path, form: Format) -> None:
    """Only an earlier export is replaced, and its content says whether it is one; what can be known is checked before the work."""
    if not str(path).isprintable():
        raise SettingError(f"The name of an export is printable Unicode. Received: {str(path)!r}. Choose another FILE.")
    check_target(path, "FILE")
    if os.path.lexists(path):
        try:
            form.describe(path)
        except (PipelineError, OSError) as error:
            raise SettingError(
                f"{path} exists, and is not an export of a run that can be replaced: {error} "
                "Choose another name, or move it away."
            ) from error


def _write(
    run: Run, recipe: Recipe, settings: Settings, form: Format, path: Path, beside: Path, detector: Detector | None
) -> None:
    description, weights = _describe(run, recipe, detector), settings.features.weights
    file = weights_file(find_base(recipe.base, weights=weights), weights, home_folder())
    if is_onnx(recipe.base):
        from pipeline.bases.onnx_model import OnnxBase
        from pipeline.exports.onnx_file import write_proto
        from pipeline.exports.onnx_join import join

        shape = OnnxBase.open(file, recipe.decoder.size_px).row_shape(recipe.cut)
        proto = join(file, recipe, run.info.pool, _head_of(run, shape, detector), run.task.output_name)
        write_proto(proto, beside, description)
        return
    model = _stitched(run, recipe, settings, file, detector)
    _check_size(model, path)
    form.write(model, beside, description)


def _check_base(recipe: Recipe, path: Path) -> None:
    """Whether the format can hold the network of the base."""
    if is_onnx(recipe.base) and path.suffix != ".onnx":
        raise SettingError(
            f"A run on an ONNX base is exported as name.onnx, since Keras cannot hold its network. Received: {path}."
        )
    if names_preset(recipe.base) and path.suffix == ".keras":
        raise SettingError(
            "A run on a preset of KerasHub is exported as name.tflite or as a folder: a .keras file would need KerasHub wherever it is "
            f"loaded. Received: {path}."
        )


def _check_size(model: "keras.Model", path: Path) -> None:
    num_bytes = 4 * model.count_params()
    if path.suffix in (".onnx", ".tflite") and num_bytes >= _MAX_BYTES:
        raise SettingError(
            f"A {path.suffix} file holds less than 2 GB; this network takes {num_bytes / 1e9:.1f} GB. Export it as .keras."
        )


def _stitched(run: Run, recipe: Recipe, settings: Settings, file: Path, detector: Detector | None) -> "keras.Model":
    from pipeline.bases.cut import divide
    from pipeline.bases.weights import load_base
    from pipeline.exports.stitch import stitch

    trunk, _ = divide(load_base(settings.features.spec, recipe.decoder.size_px, file, cut=recipe.cut), recipe.cut)
    head = _head_of(run, tuple(trunk.output_shape[1:]), detector)
    return stitch(trunk, recipe.preprocessing, run.info.pool, head)


def _head_of(run: Run, row_shape: tuple[int, ...], detector: Detector | None) -> "keras.Model":
    """The head with its calibration, and the detector if there is one, as a Keras model, for rows of this shape before they are pooled."""
    from pipeline.exports.head_layers import finished, head_of_arrays
    from pipeline.stage_two.dense.build import load_dense

    file = run.folder.head_path
    if file.suffix == ".npz":
        head = head_of_arrays(load_arrays(file), row_shape if run.info.pool == "none" else row_shape[-1:])
    else:
        head = load_dense(file, run.task.link).model
    head = finished(head, run.task)
    if detector is None:
        return head
    from pipeline.exports.p_value_layers import with_p_value

    return with_p_value(head, detector, run.task.output_name)


def _describe(run: Run, recipe: Recipe, detector: Detector | None) -> Description:
    info = run.info
    origin = {
        "run": run.name,
        "head": info.head,
        "head_sha256": hashlib.sha256(run.folder.head_path.read_bytes()).hexdigest(),
        "base": recipe.base,
        "cut": recipe.cut,
        "first_trained_layer": info.first_trained_layer,
        "trunk_digest": recipe.trunk_digest,
        "recipe": recipe.fingerprint,
        "calibrated": None if run.task.calibrate == "none" else run.task.calibrate,
    }
    p_values = PValues(detector.num_validation) if detector else None
    return Description(run.task.without_calibration(), recipe.decoder, origin, p_values)


def _compare(
    run: Run, recipe: Recipe, settings: Settings, path: Path, form: Format, detector: Detector | None
) -> dict[str, Any]:
    """Load the file, and compare its predictions with those of the run's own trunk and head.

    Here the run's trunk computes in float32, whatever precision its rows have, because the file does.
    """
    images = sample_images(run, recipe.decoder)
    exact = replace(recipe, precision="float32", pooling=run.info.pool)
    engine = make_reference(exact, settings.features.weights, settings.compute)
    progress = run.settings.compute.progress
    outputs = in_batches(
        lambda batch: _ask(run, detector, engine.features(batch)), images.pixels, desc="the run", progress=progress
    )
    outputs, distances = _answers(outputs, detector)
    expected = run.task.finish(outputs)
    description, predict = form.load(path)
    received = in_batches(
        lambda batch: predict(batch.astype(np.float32)), images.pixels, desc="the file", progress=progress
    )
    received, p_values = _answers(received, description.p_values)
    what = f"The {form.NAME} file"
    return {
        "parity": measure_parity(run.task, expected, received, TOLERANCE, what),
        "p_values": measure_p_values(detector, distances, description.p_values.exact(p_values), what)
        if detector and description.p_values
        else None,
        "own_images": images.num_own,
        "encoded": _compare_encoded(run.task, path, images.encoded, recipe.decoder, expected, progress=progress)
        if path.is_dir()
        else None,
    }


def _ask(run: Run, detector: Detector | None, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The run's outputs for rows, (N, K), and in one column more their distances, if there is a detector."""
    outputs = predict_rows(run.head, rows)
    return np.column_stack([outputs, detector.distances(rows)]) if detector else outputs


def _answers(made: NDArray[np.float32], judge: object | None) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The outputs, and the last column, which is what judges made; empty where nothing did."""
    return (made[:, :-1], made[:, -1]) if judge else (made, np.empty(0, np.float32))


def _compare_encoded(
    task: Task, path: Path, encoded: Sequence[bytes], decoder: Decoder, expected: NDArray[np.float32], *, progress: bool
) -> Parity | None:
    """The signature of a SavedModel that takes encoded images; None if TensorFlow can read none of them."""
    from pipeline.exports.decoding import can_decode
    from pipeline.exports.saved_model import load_serving

    rows = [row for row, data in enumerate(encoded) if can_decode(data, decoder)]
    if not rows:
        return None
    files = [encoded[row] for row in rows]
    received = in_batches(load_serving(path), files, desc="the file, encoded images", progress=progress)
    return measure_parity(task, expected[rows], received, ENCODED_TOLERANCE, "The SavedModel, given encoded images,")
