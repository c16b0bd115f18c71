"""Stage one on 10,000 small objects of a server, against the same files on the disk.

The images are handwritten digits of scikit-learn, enlarged, with noise, as JPEG, in ten class folders. The server (`_far_server.py`) is
in a process of its own on the same machine; what it gives to a client that does nothing with the bytes is printed first. It is asked
as S3 (s3fs), and as a web server through a table of URLs. Every turn starts with an empty cache.

    python benchmarks/far.py [--images 10000] [--repeats 3] [--base mobilenetv2] [--size 96]
"""

import argparse
import asyncio
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from _turns import in_turns, ratio, say
from PIL import Image
from sklearn.datasets import load_digits

import pipeline
from pipeline.quiet import quiet_tensorflow

_GOAL = 0.8


def make_images(folder: Path, count: int, side: int) -> list[Path]:
    """Digits with noise, no two alike."""
    digits, rng, made = load_digits(), np.random.default_rng(0), []
    for number in range(count):
        row = number % len(digits.target)
        pixels = np.kron(digits.images[row] * 15, np.ones((side // 8, side // 8))) + rng.integers(0, 16, (side, side))
        stream = io.BytesIO()
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).convert("RGB").save(stream, "JPEG", quality=90)
        made.append(folder / str(digits.target[row]) / f"{number:05d}.jpg")
        made[-1].parent.mkdir(parents=True, exist_ok=True)
        made[-1].write_bytes(stream.getvalue())
    return made


@contextmanager
def served(folder: Path, wait_seconds: float = 0) -> Iterator[str]:
    """The address of a server of these files, in the bucket `photos`, which waits before it gives one."""
    script = Path(__file__).with_name("_far_server.py")
    words = [sys.executable, script, folder, "photos", str(wait_seconds)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        finally:
            server.terminate()


def most(address: str, paths: list[str]) -> float:
    """Seconds in which the server gives all files to 64 connections of a client that reads and forgets."""
    host, port = address.removeprefix("http://").split(":")
    waiting = iter(paths)

    async def read() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for path in waiting:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]))
        writer.close()

    async def everything() -> None:
        await asyncio.gather(*(read() for _ in range(64)))

    start = time.perf_counter()
    asyncio.run(everything())
    return time.perf_counter() - start


def extraction(data: str, **keywords: object) -> Callable[[], float]:
    """Stage one from nothing."""

    def run() -> float:
        with tempfile.TemporaryDirectory() as cache:
            start = time.perf_counter()
            done = pipeline.extract(data, cache=cache, pool="avg", progress=False, **keywords)
            seconds = time.perf_counter() - start
        if done.num_new != done.num_rows or done.manifest.skipped:
            raise SystemExit(f"{data}: {done!r}")
        return seconds

    return run


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("images", 10_000), ("repeats", 3), ("size", 96)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--base", default="mobilenetv2")
    given = parser.parse_args()
    quiet_tensorflow()
    names = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "photos")
        files = make_images(folder, given.images, 64)
        with served(folder) as address:
            os.environ.update({**names, "AWS_ENDPOINT_URL": address})
            paths = [f"/photos/{file.relative_to(folder).as_posix()}" for file in files]
            seconds = most(address, paths)
            kilobytes = sum(file.stat().st_size for file in files) / len(files) / 1e3
            print(f"The server alone: {len(paths) / seconds:,.0f} objects of {kilobytes:.1f} kB per second")
            table = Path(scratch, "web.csv")
            rows = [f"{address}{path},{file.parent.name}" for path, file in zip(paths, files, strict=True)]
            table.write_text("\n".join(["path,label", *rows]) + "\n")
            how = {"base": given.base, "size": given.size}
            ways = {"disk": str(folder), "s3": "s3://photos", "web": str(table)}
            runs = {name: extraction(data, **how) for name, data in ways.items()}
            make_images(Path(scratch, "few"), 320, 64)
            extraction(str(Path(scratch, "few")), **how)()  # libraries are loaded, and the network has run
            found = in_turns(runs, given.repeats)
    say(
        f"{given.images:,} objects, {given.base} at {given.size} px",
        found,
        {
            "speed of a bucket against the disk": (1 / ratio(found, "s3", "disk"), _GOAL),
            "speed of a table of URLs against the disk": (1 / ratio(found, "web", "disk"), _GOAL),
        },
        server_per_second=len(paths) / seconds,
    )


if __name__ == "__main__":
    main()
