"""Which decoder? Images a second on one core, and how far the pixels are from the documented ones, in grey levels.

Ours is Pillow with its Lanczos filter, and a large JPEG is decoded at a smaller size first; `full` never does that (decoder 1), and
`bilinear` and `box` are our other filters. simplejpeg and OpenCV take part where they are installed; OpenCV has no Lanczos filter that
averages, so it shrinks by area.

    python benchmarks/decoders.py --data photos [--images 200] [--size 150] [--repeats 3]
"""

import argparse
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from _turns import in_turns, ratio, say
from numpy.typing import NDArray
from PIL import Image

from pipeline.images.decoding.decoder import Decoder
from pipeline.images.scan import scan

Decode = Callable[[bytes], NDArray[np.uint8]]


def with_simplejpeg(size: int) -> Decode:
    """Another binding of the same library, then Pillow's filter."""
    import simplejpeg

    def decode(data: bytes) -> NDArray[np.uint8]:
        image = Image.fromarray(simplejpeg.decode_jpeg(data))
        return np.asarray(image.resize((size, size), Image.Resampling.LANCZOS))

    return decode


def with_opencv(size: int) -> Decode:
    """Decoded and shrunk by area."""
    import cv2

    cv2.setNumThreads(1)

    def decode(data: bytes) -> NDArray[np.uint8]:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)[..., ::-1]

    return decode


def main() -> None:
    """All on the same JPEG files, in turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("DATA"), help="a folder of JPEG photographs")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--size", type=int, default=150)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    if not given.data or not Path(given.data).is_dir():
        print("decoders: give --data FOLDER (make bench DATA=photos); nothing measured.")
        return
    manifest = scan(given.data)
    images = [manifest.read(row) for row in range(min(len(manifest), given.images))]
    images = [data for data in images if data.startswith(b"\xff\xd8")]
    decoders: dict[str, Decode] = {
        "Pillow (ours)": Decoder(given.size).decode,
        "full": Decoder(given.size, background="drop", version=1).decode,
        "bilinear": Decoder(given.size, "bilinear").decode,
        "box": Decoder(given.size, "box").decode,
    }
    for name, module, make in (
        ("simplejpeg, Pillow", "simplejpeg", with_simplejpeg),
        ("OpenCV, area", "cv2", with_opencv),
    ):
        if importlib.util.find_spec(module):
            decoders[name] = make(given.size)
    documented = [decoders["Pillow (ours)"](data).astype(int) for data in images]
    differences = {
        name: int(max(np.abs(decode(data) - pixels).max() for data, pixels in zip(images, documented, strict=True)))
        for name, decode in decoders.items()
    }
    seconds = in_turns(
        {name: lambda decode=decode: [decode(data) for data in images] for name, decode in decoders.items()},
        given.repeats,
    )
    print({name: f"{len(images) / min(values):.0f} images a second" for name, values in seconds.items()})
    allowed = [name for name, levels in differences.items() if levels <= 1]
    ratios = {f"{name} against ours": (ratio(seconds, "Pillow (ours)", name), 0.0) for name in allowed[1:]}
    say(f"decoders, {len(images)} images", seconds, ratios, largest_difference_in_grey_levels=differences)


if __name__ == "__main__":
    main()
