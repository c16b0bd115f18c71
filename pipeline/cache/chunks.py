"""The chunks of a shard's features, packed and unpacked on all cores.

HDF5 packs and unpacks on one core and holds the lock of the whole library. When it reads, it computes Fletcher-32 checksums although
all bytes of a shard have been checked against their SHA-256. What is packed here is what HDF5 would write, and HDF5 can read it.
"""

import math
import os
import struct
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

import h5py
import lz4.block
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DamagedStoreError

FILTERS = [32004, h5py.h5z.FILTER_FLETCHER32]
"""LZ4, by its number at the HDF Group, followed by a checksum."""

_CHECKSUM_BYTES = 4
_WEIGHTS = np.arange(2**14, 0, -1)
_LZ4_OPTIONS = (0,)
"""Size of a block of LZ4 within a chunk; 0: a chunk is one block."""

Visit = Callable[[int, NDArray[np.floating]], None]
"""Called with the position of a part's first row, and the part's rows in the stored dtype."""

_Chunk = tuple[int, int, int]
"""First row; first byte in the file; number of bytes without the checksum."""


@dataclass(frozen=True)
class PackedRows:
    """The positions of a data set's rows in its file."""

    chunks: Sequence[_Chunk]
    num_rows: int
    shape: tuple[int, ...]
    """Shape of a chunk; the last chunk is padded."""

    dtype: np.dtype[np.floating]

    @classmethod
    def of(cls, item: h5py.Dataset) -> Self | None:
        """The packed rows of a data set; None if its chunks are not whole rows in order, written through the two filters."""
        creation = item.id.get_create_plist()
        infos = [item.id.get_chunk_info(number) for number in range(item.id.get_num_chunks())]
        is_ours = [creation.get_filter(number)[0] for number in range(creation.get_nfilters())] == FILTERS
        is_whole = [info.chunk_offset[0] for info in infos] == list(range(0, len(item), item.chunks[0]))
        if not is_ours or not is_whole or item.chunks[1:] != item.shape[1:] or any(info.filter_mask for info in infos):
            return None
        chunks = [(info.chunk_offset[0], info.byte_offset, info.size - _CHECKSUM_BYTES) for info in infos]
        return cls(chunks, len(item), item.chunks, item.dtype)

    def unpack(self, data: bytes, visit: Visit) -> None:
        """Call `visit` with the rows of each chunk, in any order, on several threads.

        Raises:
            DamagedStoreError: A chunk cannot be unpacked.
        """
        whole, cores = memoryview(data), os.cpu_count() or 1

        def unpack(chunks: Sequence[_Chunk]) -> None:
            for first, start, size in chunks:
                visit(first, self._rows(whole[start : start + size])[: self.num_rows - first])

        with ThreadPoolExecutor(cores) as pool:
            list(pool.map(unpack, [self.chunks[number::cores] for number in range(cores)]))

    def _rows(self, packed: memoryview) -> NDArray[np.floating]:
        """Rows of one chunk. Only errors here are damage; those of `visit` are not caused by the bytes."""
        try:
            return np.frombuffer(self._unpack_chunk(packed), self.dtype).reshape(self.shape)
        except ValueError as error:
            raise DamagedStoreError(str(error)) from error

    def _unpack_chunk(self, packed: memoryview) -> bytes | memoryview:
        """Unpack a chunk of HDF5's LZ4 filter: size of the whole, size of a block, then each block after its packed size."""
        expected = math.prod(self.shape) * self.dtype.itemsize
        try:
            size, block_size = struct.unpack_from(">QI", packed)
            if size != expected:
                raise ValueError(f"a chunk of {size} bytes; expected {expected}")
            offset = 12
            blocks: list[bytes | memoryview] = []
            for start in range(0, size, max(1, block_size)):
                length = min(block_size, size - start)
                (packed_size,) = struct.unpack_from(">I", packed, offset)
                block = packed[offset + 4 : offset + 4 + packed_size]
                # A block that LZ4 cannot make smaller is stored as it is.
                blocks.append(block if packed_size == length else lz4.block.decompress(block, uncompressed_size=length))
                offset += 4 + packed_size
        except (struct.error, lz4.block.LZ4BlockError) as error:
            raise ValueError(f"a chunk is not LZ4: {error}") from error
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)


def write_packed(file: h5py.File, name: str, rows: NDArray[np.floating], chunk: tuple[int, ...]) -> None:
    """Write rows as a data set of LZ4 chunks with checksums; several threads pack.

    Args:
        file: Open for writing.
        name: Of the data set.
        rows: (n, h, w, C) or (n, C), at least one.
        chunk: Shape of a chunk, whole rows.
    """
    item = file.create_dataset(
        name,
        rows.shape,
        rows.dtype,
        chunks=chunk,
        compression=FILTERS[0],
        compression_opts=_LZ4_OPTIONS,
        fletcher32=True,
        track_times=False,
    )
    starts = range(0, len(rows), chunk[0])
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        packed = pool.map(lambda start: _pack_chunk(rows[start : start + chunk[0]], chunk), starts)
        for start, data in zip(starts, packed, strict=True):
            item.id.write_direct_chunk((start, *(0 for _ in chunk[1:])), data)


def _pack_chunk(rows: NDArray[np.floating], chunk: tuple[int, ...]) -> bytearray:
    """A chunk as HDF5's LZ4 filter makes it, in one block, followed by its checksum; see `_unpack_chunk`."""
    if len(rows) < chunk[0]:
        rows = np.concatenate([rows, np.zeros((chunk[0] - len(rows), *chunk[1:]), rows.dtype)])
    whole = np.ascontiguousarray(rows).data.cast("B")
    block = lz4.block.compress(whole, store_size=False)
    if len(block) >= len(whole):
        block = whole
    data = bytearray(struct.pack(">QII", len(whole), len(whole), len(block)))
    data += block
    data += struct.pack("<I", fletcher32(data))
    return data


def fletcher32(data: bytes | bytearray) -> int:
    """HDF5's Fletcher-32 checksum: s1 = sum(w_i) and s2 = sum((n - i) w_i) over n big-endian words of 16 bits, i from 0.

    Both are reduced modulo 65535 by adding the upper half to the lower one, so multiples of 65535 other than 0 become 65535
    (H5checksum.c).
    """
    words = np.frombuffer(data + b"\0" if len(data) % 2 else data, ">u2")
    sums = [0, 0]
    for start in range(0, len(words), len(_WEIGHTS)):  # a part of the words as int64 stays in the processor's cache
        part = words[start : start + len(_WEIGHTS)].astype(np.int64)
        total, num_after = int(part.sum()), len(words) - start - len(part)
        sums = [sums[0] + total, sums[1] + num_after * total + int(_WEIGHTS[-len(part) :] @ part)]
    first, second = ((value - 1) % 65535 + 1 if value else 0 for value in sums)
    return second << 16 | first
