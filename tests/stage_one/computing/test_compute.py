"""From images to rows, without a store and without a network."""

import itertools
import threading

import numpy as np
import pytest
from tqdm import tqdm

from pipeline.cache.outbox import BytesOutbox
from pipeline.stage_one.computing import compute as module
from pipeline.stage_one.computing.compute import compute, keys_of
from pipeline.stage_one.missing import Item
from tests.calls import read as scan
from tests.conftest import draw_tree
from tests.faults.child import SMALL, Averages


class Sink:
    """Keeps the rows of each shard."""

    def __init__(self):
        self.shards = []

    def append(self, keys, features, provenance):
        self.shards.append(dict(zip(keys.tolist(), features, strict=True)))


def run(manifest, sink, make_engine=Averages, **settings):
    """All images, four at a time."""
    items = [Item(row, 0) for row in range(len(manifest))]
    with tqdm(disable=True) as bar:
        return compute(manifest, items, SMALL, sink, make_engine, batch_size=4, num_threads=2, bar=bar, **settings)


def test_each_image_has_its_row(photos):
    """Whichever thread decoded it; shards hold whole batches."""
    manifest, sink = scan(photos), Sink()
    done = run(manifest, sink, shard_rows=16)
    rows = {key: row for shard in sink.shards for key, row in shard.items()}
    keys = keys_of(manifest, [Item(row, 0) for row in range(48)]).tolist()

    assert (done.num_rows, done.engine, done.left_out) == (48, "averages", {})
    assert [len(shard) for shard in sink.shards] == [16, 16, 16]
    for row, key in enumerate(keys):
        pixels = SMALL.decoder.decode(manifest.read(row))
        np.testing.assert_array_equal(rows[key], Averages().features(pixels[None])[0])


def test_network_is_not_loaded_for_images_that_cannot_be_decoded(tmp_path):
    """Bytes that are no image are told from a file that has changed since the scan."""
    data = draw_tree(tmp_path / "data", {"": 1})
    (data / "red" / "red000.png").write_bytes(b"no image")
    manifest = scan(data)
    (data / "blue" / "blue000.png").write_bytes(b"another")

    def refuse():
        raise AssertionError("a network was loaded")

    done = run(manifest, Sink(), refuse)
    names = dict(zip(manifest.digests, manifest.names, strict=True))

    assert (done.num_rows, done.engine) == (0, None)
    assert [names[digest] for digest in done.skipped] == ["red/red000.png"]
    assert [names[digest] for digest in done.unread] == ["blue/blue000.png"]
    assert done.left_out.keys() == set(manifest.digests)


def test_rows_are_committed_before_an_error_goes_on(photos):
    """The third call fails; the batches before it are kept."""

    class Failing(Averages):
        def features(self, inputs):
            if self.num_images == 8:
                raise RuntimeError("the device is gone")
            return super().features(inputs)

    outbox = BytesOutbox(SMALL)
    with pytest.raises(RuntimeError, match="the device is gone"):
        run(scan(photos), outbox, Failing)

    assert len(outbox.shards) == 1


class Device(Averages):
    """Stands for a device that takes two calls at a time; `on_call` is called with the number of each call, from 0."""

    def __init__(self, on_call):
        super().__init__(concurrency=2)
        self.on_call, self.numbers = on_call, itertools.count()

    def features(self, inputs):
        self.on_call(next(self.numbers))
        return super().features(inputs)


def test_a_device_gets_the_next_batch_while_it_computes_one(photos):
    """Call 1 does not end before call 2 has begun; only call 0 runs alone."""
    has_begun, waited = threading.Event(), []

    def on_call(number):
        if number == 1:
            waited.append(has_begun.wait(60))
        elif number == 2:
            has_begun.set()

    assert run(scan(photos), Sink(), lambda: Device(on_call)).num_rows == 48
    assert waited == [True]


def test_images_are_decoded_while_the_device_computes(photos, monkeypatch):
    """Call 0 does not end before images of later batches have been decoded."""
    decode, numbers, is_ahead, waited = module._decode, itertools.count(1), threading.Event(), []

    def counted(*given):
        pixels = decode(*given)
        if next(numbers) > 20:
            is_ahead.set()
        return pixels

    monkeypatch.setattr(module, "_decode", counted)
    device = Device(lambda number: number or waited.append(is_ahead.wait(60)))
    run(scan(photos), Sink(), lambda: device)

    assert waited == [True]


def test_a_shard_is_written_while_the_device_computes(photos):
    """The first shard, of four batches, is not written before call 5 has begun."""
    has_begun, waited = threading.Event(), []

    class Waiting(Sink):
        def append(self, *given):
            waited.append(has_begun.wait(60))
            super().append(*given)

    sink = Waiting()
    device = Device(lambda number: has_begun.set() if number == 5 else None)
    run(scan(photos), sink, lambda: device, shard_rows=16)

    assert waited == [True] * 3
    assert [len(shard) for shard in sink.shards] == [16] * 3
