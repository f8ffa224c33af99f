"""What the buffers of an Arrow file unpack to, as they say themselves, before any is unpacked.

Their sizes are in the metadata of each message, in the format of FlatBuffers
(https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc); a packed buffer begins with the
number of bytes that it unpacks to.
"""

from __future__ import annotations

from typing import Any

DICTIONARY_BATCH, RECORD_BATCH = 2, 3
"""Kinds of messages that have buffers."""

START_OF_FILE = b"ARROW1\0\0"
"""What stands before the messages in a file that is no stream."""


def unpacked_size(source: Any, is_stream: bool) -> int:
    """Return the bytes that an Arrow file takes in memory at least.

    Parameters
    ----------
    source : pyarrow.NativeFile
        At its beginning.
    is_stream : bool
        Whether messages begin there, and not after the first bytes of a file.

    Returns
    -------
    int
        Sum over all messages; that of the file where none is packed, as in the first version of Feather.
    """
    import pyarrow as pa

    size = int(source.size())
    if not is_stream and source.read(len(START_OF_FILE)) != START_OF_FILE:
        return size
    reader = pa.ipc.MessageReader.open_stream(source)
    unpacked = 0
    while True:
        try:
            message = reader.read_next_message()
        except StopIteration:
            return max(size, unpacked)
        unpacked += _size_of(memoryview(message.metadata), memoryview(message.body or b""))


def _size_of(metadata: memoryview, body: memoryview) -> int:
    """Return what the buffers of a message unpack to."""
    message = _number(metadata, 0, 4)
    batch = _follow(metadata, _field(metadata, message, 2))
    kind = _number(metadata, _field(metadata, message, 1), 1)
    if kind == DICTIONARY_BATCH:
        batch = _follow(metadata, _field(metadata, batch, 1))
    if kind not in (DICTIONARY_BATCH, RECORD_BATCH) or not _field(metadata, batch, 3):  # not packed
        return len(body)
    buffers = _follow(metadata, _field(metadata, batch, 2))
    first, last = buffers + 4, buffers + 4 + 16 * _number(metadata, buffers, 4)
    positions = range(first, min(last, len(metadata)), 16)
    packed = [(_number(metadata, at, 8), _number(metadata, at + 8, 8)) for at in positions]
    return sum(max(size, _number(body, at, 8, signed=True)) for at, size in packed if size)


def _number(content: memoryview, at: int, size: int, signed: bool = False) -> int:
    return int.from_bytes(content[max(at, 0) : max(at, 0) + size], "little", signed=signed)


def _follow(metadata: memoryview, at: int) -> int:
    """Return the position to which the offset at a position leads."""
    return at + _number(metadata, at, 4)


def _field(metadata: memoryview, table: int, index: int) -> int:
    """Return the position of a field of a table, or 0 where it is left out."""
    fields = table - _number(metadata, table, 4, signed=True)
    if 4 + 2 * index >= _number(metadata, fields, 2):
        return 0
    offset = _number(metadata, fields + 4 + 2 * index, 2)
    return table + offset if offset else 0
