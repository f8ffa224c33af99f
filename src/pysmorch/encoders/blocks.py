"""Rows encoded as they are needed: all at once where that takes little memory, else block by block."""

from __future__ import annotations

from math import prod
from typing import Any

from pysmorch.encoders.base import Encoder
from pysmorch.encoders.streamed import StreamedRows
from pysmorch.engine.rows import LazyRows
from pysmorch.layers.base import Array

BYTES_AT_ONCE = 2**28
"""Size of encoded rows, 256 MiB, up to which they are encoded once for all epochs."""


def encode_rows(encoder: Encoder, rows: Any, at_once: int = BYTES_AT_ONCE) -> Array | LazyRows:
    """Return rows as the network takes them: an array, or lazy rows where an array would take much memory.

    Parameters
    ----------
    encoder : Encoder
        Fitted.
    rows : object
        From its `check`.
    at_once : int, default=2**28
        Bytes up to which it is an array.

    Returns
    -------
    ndarray or LazyRows
        Of shape (N, *encoder.shape); the same numbers either way.
    """
    if isinstance(rows, StreamedRows):
        return rows.encoded(encoder)
    if not encoder.makes_arrays or 4 * len(rows) * prod(encoder.shape) <= at_once:
        return encoder.encode(rows)
    return LazyRows(encoder.lazily(rows), len(rows), encoder.shape)
