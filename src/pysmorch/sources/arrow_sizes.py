"""What the buffers of an Arrow file unpack to, as they say themselves, before any is unpacked.

Their sizes are in the metadata of each message, in the format of FlatBuffers
(https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc); a packed buffer begins with the
number of bytes that it unpacks to.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

DICTIONARY_BATCH, RECORD_BATCH = 2, 3
"""Kinds of messages that have buffers."""

START_OF_FILE, END_OF_FILE = b"ARROW1\0\0", b"ARROW1"
"""What stands before the messages in a file that is no stream, and after its footer and the size of that."""

SIZE_OF_FOOTER, SIZE_OF_BLOCK = 4, 24
"""Bytes of a footer's size, and of what it says of a message."""

DICTIONARIES, RECORD_BATCHES = 2, 3
"""Fields of a footer that list messages."""


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
        Sum over all messages, of a file those that its footer lists, as often as it does; that of the file where none is packed, as in
        the first version of Feather.
    """
    import pyarrow as pa

    size = int(source.size())
    if not is_stream:
        return max(size, _size_of_listed(source, size)) if source.read(len(START_OF_FILE)) == START_OF_FILE else size
    reader = pa.ipc.MessageReader.open_stream(source)
    unpacked = 0
    while True:
        try:
            message = reader.read_next_message()
        except StopIteration:
            return max(size, unpacked)
        unpacked += _size_of(memoryview(message.metadata), memoryview(message.body or b""))


def largest_batch(source: Any) -> int:
    """Return the bytes of the largest record batch that the footer of an Arrow file lists.

    Parameters
    ----------
    source : pyarrow.NativeFile
        Of a file that is no stream.

    Returns
    -------
    int
        As stored, packed or not.
    """
    return max((length for _, length in _listed(source, int(source.size()))), default=0)


def _listed(source: Any, size: int) -> list[tuple[int, int]]:
    """Return the position of each message that the footer of a file lists, and the bytes of its body."""
    end = size - SIZE_OF_FOOTER - len(END_OF_FILE)
    source.seek(max(end, 0))
    length = _number(memoryview(source.read(SIZE_OF_FOOTER)), 0, SIZE_OF_FOOTER)
    source.seek(max(end - length, 0))
    footer = memoryview(source.read(min(length, size)))
    listed: list[tuple[int, int]] = []
    for index in (DICTIONARIES, RECORD_BATCHES):
        at = _field(footer, _number(footer, 0, 4), index)
        if at:
            blocks = _follow(footer, at)
            last = blocks + 4 + SIZE_OF_BLOCK * _number(footer, blocks, 4)
            starts = range(blocks + 4, min(last, length), SIZE_OF_BLOCK)
            listed += [(_number(footer, block, 8), _number(footer, block + 16, 8)) for block in starts]
    return listed


def _size_of_listed(source: Any, size: int) -> int:
    """Return what the messages unpack to that the footer of a file lists: it may list one many times."""
    import pyarrow as pa

    listed = Counter(at for at, _ in _listed(source, size))
    unpacked = 0
    for at, times in listed.items():
        source.seek(at)
        message = pa.ipc.read_message(source)
        unpacked += times * _size_of(memoryview(message.metadata), memoryview(message.body or b""))
    return unpacked


def _size_of(metadata: memoryview, body: memoryview) -> int:
    """Return what the buffers of a message unpack to, and at least a byte for each of its rows."""
    message = _number(metadata, 0, 4)
    batch = _follow(metadata, _field(metadata, message, 2))
    kind = _number(metadata, _field(metadata, message, 1), 1)
    if kind == DICTIONARY_BATCH:
        batch = _follow(metadata, _field(metadata, batch, 1))
    if kind not in (DICTIONARY_BATCH, RECORD_BATCH):
        return len(body)
    is_packed, rows = bool(_field(metadata, batch, 3)), _number(metadata, _field(metadata, batch, 0), 8)
    buffers = _follow(metadata, _field(metadata, batch, 2))
    first, last = buffers + 4, buffers + 4 + 16 * _number(metadata, buffers, 4)
    positions = range(first, min(last, len(metadata)), 16)
    found = [(_number(metadata, at, 8), _number(metadata, at + 8, 8)) for at in positions]
    sizes = [max(size, _number(body, at, 8, signed=True)) if is_packed else size for at, size in found if size]
    return max(sum(sizes), rows)


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
