"""The `.onnx` file of a run whose base is an ONNX file: that network and the head in one graph."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.bases.onnx_graph import OUTPUT, on_pixels
from pipeline.bases.onnx_model import OnnxBase, onnx_packages
from pipeline.errors import SettingError
from pipeline.exports.onnx_file import NEWEST_OPSET, convert

if TYPE_CHECKING:
    import keras

    from pipeline.cache.recipe import Recipe


def join(file: Path, recipe: "Recipe", pooling: str, head: "keras.Model", output_name: str) -> Any:
    """Base and head as one `onnx.ModelProto`: `pixels`, float32 (N, H, W, 3) in [0, 255], to outputs, (N, K).

    Args:
        file: The base.
        recipe: Of the rows.
        pooling: `none`, `avg` or `max`, between base and head.
        head: Rows to outputs.
        output_name: Name of the output.

    Raises:
        SettingError: The base takes a fixed number of images at a time.
    """
    onnx, _ = onnx_packages()
    base = OnnxBase.open(file, recipe.decoder.size_px)
    if base.batch_size:
        raise SettingError(
            f"{file} takes {base.batch_size} image{'s' * (base.batch_size > 1)} at a time, and an exported file takes any number. Export the base again with a batch of "
            "any size (dynamic_shapes or dynamic_axes of torch.onnx.export), and train the head on it."
        )
    rows = on_pixels(base, recipe.cut, recipe.preprocessing, pooling, pixels="float32")
    opset = rows.opset_import[0].version
    last = convert(head, "rows", output_name, min(opset, NEWEST_OPSET))
    if opset > NEWEST_OPSET:
        last = onnx.version_converter.convert_version(last, opset)
    rows.ir_version = last.ir_version = max(rows.ir_version, last.ir_version)
    del last.opset_import[1:]
    return onnx.compose.merge_models(rows, last, io_map=[(OUTPUT, last.graph.input[0].name)])
