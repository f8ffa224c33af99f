"""One encoder for each kind of input of the estimators; the code outside does not depend on the kind of an input."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysmorch.encoders.array import ArrayEncoder
from pysmorch.encoders.base import Encoder
from pysmorch.encoders.blocks import encode_rows
from pysmorch.encoders.choices import kinds_from
from pysmorch.encoders.errors import ColumnError
from pysmorch.encoders.image import ImageEncoder
from pysmorch.encoders.table import TableEncoder
from pysmorch.encoders.target import read_labels
from pysmorch.encoders.unscaled import NamedColumn, fingerprints, has_columns, named_columns, unscaled
from pysmorch.layers.base import Array

KINDS: tuple[type[Encoder], ...] = (TableEncoder, ImageEncoder, ArrayEncoder)
"""All kinds of input; the first that understands an input encodes it, and the last one takes whatever the others do not."""

KINDS_OF_PIXELS: tuple[type[Encoder], ...] = (ImageEncoder, ArrayEncoder)
"""Those that take pixels, in images or in rows."""

__all__ = [
    "KINDS",
    "KINDS_OF_PIXELS",
    "ColumnError",
    "Encoder",
    "NamedColumn",
    "encode_rows",
    "encoder_from_parts",
    "encoder_to_parts",
    "fingerprints",
    "has_columns",
    "kind_of",
    "kinds_from",
    "named_columns",
    "read_labels",
    "unscaled",
]


def kind_of(X: Any, pixels: bool = False, chosen: bool = False) -> type[Encoder]:
    """Return the class that encodes an input.

    Parameters
    ----------
    X : array-like or data frame
        Whatever is given to `fit`.
    pixels : bool, default=False
        Whether it consists of pixels, also where it has the shape of a table.
    chosen : bool, default=False
        Whether the user says what its columns hold, so that an array of numbers is a table with columns 0, 1, 2, ...

    Returns
    -------
    type of Encoder
        The first of `KINDS`, or of `KINDS_OF_PIXELS`, that understands it.
    """
    kind = next(kind for kind in (KINDS_OF_PIXELS if pixels else KINDS) if kind.understands(X))
    return TableEncoder if chosen and not pixels and kind is ArrayEncoder and isinstance(X, np.ndarray) else kind


def encoder_to_parts(encoder: Encoder) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return an encoder as entries of a model file's header, and its arrays by name.

    Parameters
    ----------
    encoder : Encoder
        A fitted one.

    Returns
    -------
    header : dict
        The entry of each kind, None for all but that of the encoder.
    tensors : dict of str to ndarray
        Their names begin with that entry.
    """
    part, tensors = encoder.to_parts()
    header = dict.fromkeys((kind.entry for kind in KINDS), None) | {encoder.entry: part}
    return header, {f"{encoder.entry}.{name}": array for name, array in tensors.items()}


def encoder_from_parts(header: dict[str, Any], tensors: dict[str, Array]) -> Encoder:
    """Return the encoder of `encoder_to_parts`.

    Parameters
    ----------
    header : dict
        The header of an estimator, with other entries too.
    tensors : dict of str to ndarray
        All arrays of the estimator.

    Returns
    -------
    Encoder
        Fitted.

    Raises
    ------
    ModelFileError
        Where anything is missing or does not fit.
    """
    kind = next(kind for kind in KINDS if kind.is_in(header))
    start = f"{kind.entry}."
    return kind.from_parts(
        header, {name.removeprefix(start): t for name, t in tensors.items() if name.startswith(start)}
    )
