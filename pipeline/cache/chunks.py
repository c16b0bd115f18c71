"""The chunks of a shard's features, unpacked on all cores.

HDF5 unpacks on one core, holds the lock of the whole library, and computes Fletcher-32 checksums although
all bytes of a shard have been checked against their SHA-256.
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
