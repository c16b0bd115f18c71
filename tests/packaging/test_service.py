"""The service of docs/deploy.md makes the pixels that a run's rows were made of."""

import io
import json
import re

import numpy as np
import onnx
import pytest
from fastapi.testclient import TestClient
from onnx import TensorProto, helper
from PIL import Image
from sklearn.datasets import load_sample_image

from pipeline.images.decoding.decoder import Decoder
from tests.packaging.conftest import PROJECT

SIZE_PX = 8


@pytest.fixture
def client(tmp_path, monkeypatch):
    """The program of the page, around a file that gives its pixels back."""
    count = SIZE_PX * SIZE_PX * 3
    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [None, SIZE_PX, SIZE_PX, 3])
    outputs = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, count])
    graph = helper.make_graph([helper.make_node("Flatten", ["pixels"], ["probabilities"])], "same", [pixels], [outputs])
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17)])
    facts = {"decoder": Decoder(SIZE_PX).as_dict(), "labels": [str(place) for place in range(count)]}
    helper.set_model_props(model, {"bottleneck": json.dumps(facts)})
    onnx.save(model, tmp_path / "best.onnx")
    page = (PROJECT / "docs" / "deploy.md").read_text(encoding="utf-8")
    [program] = re.findall(r"^cat > service.py <<'EOF'\n(.*?)^EOF$", page, flags=re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "service"}
    exec(compile(program, "service.py", "exec"), names)
    return TestClient(names["app"])


def encoded(mode, kind, size, **options):
    values = np.random.default_rng(3).integers(0, 256, (size[1], size[0], 4), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(values, "RGBA" if mode == "RGBA" else None).convert(mode).save(stream, kind, **options)
    return stream.getvalue()


TURNED = Image.Exif()
TURNED[0x0112] = 6


@pytest.mark.parametrize(
    "data",
    [
        encoded("RGB", "JPEG", (30, 28)),
        encoded("RGB", "JPEG", (30, 20), exif=TURNED),
        encoded("L", "JPEG", (14, 31)),
        encoded("RGBA", "PNG", (17, 33)),
        encoded("P", "PNG", (20, 20)),
        encoded("RGB", "WEBP", (12, 40)),
        encoded("RGB", "BMP", (5, 4)),
    ],
    ids=["JPEG", "turned JPEG", "gray JPEG", "transparent PNG", "palette", "WebP", "small BMP"],
)
def test_service_sees_what_the_run_saw(data, client):
    """A real request with each kind of image: the file gets the pixels of the decoder, bit for bit."""
    answer = client.post("/predict", files={"file": data})

    assert answer.status_code == 200, answer.text
    assert np.array_equal(
        np.reshape(list(answer.json().values()), (SIZE_PX, SIZE_PX, 3)), Decoder(SIZE_PX).decode(data)
    )


def test_large_jpeg_is_nearly_the_same(client):
    """The run decodes it at a smaller size; the page says by how much pixels differ."""
    stream = io.BytesIO()
    Image.fromarray(load_sample_image("china.jpg")).save(stream, "JPEG", quality=90)
    answer = client.post("/predict", files={"file": stream.getvalue()}).json()
    seen = np.reshape(list(answer.values()), (SIZE_PX, SIZE_PX, 3))
    differences = np.abs(seen - Decoder(SIZE_PX).decode(stream.getvalue()))

    assert 0 < differences.max() <= 9
    assert differences.mean() <= 0.6
