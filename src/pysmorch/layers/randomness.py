"""Random numbers: where initial weights come from, and counter-based numbers for dropout and shuffling."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pysmorch.layers.overridable import overridable

SHUFFLE = 0
"""The RNG stream of shuffling; layers have the streams from 1 on."""

_source: ContextVar[Any] = ContextVar("source of initial weights", default=None)


def standard_normal(*shape: int) -> NDArray[np.float64]:
    """Draw initial weights: from NumPy's global state, as `randn` does, or from the seed of `weights_from`."""
    source = _source.get()
    return np.random.standard_normal(shape) if source is None else source.standard_normal(shape)


def uniform(limit: float, *shape: int) -> NDArray[np.float64]:
    """Draw initial weights from -limit to limit, from where `standard_normal` draws them."""
    source = _source.get()
    return (np.random if source is None else source).uniform(-limit, limit, shape)


class Zeros:
    """Source of initial weights for layers that get others: see `drawing_from`."""

    def standard_normal(self, shape: tuple[int, ...]) -> NDArray[Any]:
        """Return zeros of this shape."""
        return np.zeros(shape, np.float32)

    def integers(self, high: int) -> int:
        """Return 0."""
        return 0


def draw_seed() -> int:
    """Draw a seed from where initial weights come from."""
    source = _source.get()
    return int(np.random.randint(2**31)) if source is None else int(source.integers(2**31))


@contextmanager
def weights_from(seed: int) -> Iterator[None]:
    """Inside this context the initial weights of new layers come from `seed`, and NumPy's global state is left alone.

    Parameters
    ----------
    seed : int
        From 0 to 2**64 - 1.

    Yields
    ------
    None

    Raises
    ------
    ValueError
        When seed is not such an integer.

    Examples
    --------
    >>> from pysmorch import Data, Linear
    >>> with weights_from(7):
    ...     a = Linear(Data(shape=(None, 3)), 2)
    >>> with weights_from(7):
    ...     b = Linear(Data(shape=(None, 3)), 2)
    >>> bool((a.W == b.W).all())
    True
    """
    with drawing_from(np.random.Generator(np.random.Philox(key=check_seed(seed)))):
        yield


@contextmanager
def drawing_from(source: Any) -> Iterator[None]:
    """Inside this context new layers draw from `source`, which has the methods of a NumPy Generator."""
    token = _source.set(source)
    try:
        yield
    finally:
        _source.reset(token)


@contextmanager
def global_state_restored(seed: int | None = None) -> Iterator[None]:
    """Leave NumPy's global random state as it was before this context; inside it begins with the seed, if there is one."""
    state = np.random.get_state()
    if seed is not None:
        np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)


def check_seed(seed: Any) -> int:
    """Return the seed as an int, or say what a seed is."""
    if isinstance(seed, (bool, np.bool_)) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**64:
        raise ValueError(f"seed must be an integer from 0 to 2**64 - 1, but is {seed!r}")
    return int(seed)


@overridable
def random_words(seed: int, stream: int, step: int, count: int, first: int = 0) -> NDArray[np.uint32]:
    """Return `count` uniform 32-bit words that depend on their key (seed), stream, step and position alone.

    Parameters
    ----------
    seed : int
        The key, from 0 to 2**64 - 1.
    stream : int
        The RNG stream: that of a layer is its number in the graph, from 1 on.
    step : int
        The number of the pass.
    count : int
        How many words.
    first : int, default=0
        The position of the first one.

    Returns
    -------
    array of uint32

    Notes
    -----
    The generator is Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011). Word i is entry i % 4 of
    the block whose counter is (i // 4, stream, step) and whose key is the seed, so that any part of the numbers can be made without the
    rest.

    Examples
    --------
    >>> [hex(w) for w in random_words(0, 0, 0, 4)]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    low = np.uint64(0xFFFFFFFF)
    first_block = first // 4
    num_blocks = -(-(first + count) // 4) - first_block
    c0 = np.arange(first_block, first_block + num_blocks, dtype=np.uint64) & low
    c1 = np.full(num_blocks, stream, dtype=np.uint64)
    c2 = np.full(num_blocks, step & 0xFFFFFFFF, dtype=np.uint64)
    c3 = np.full(num_blocks, step >> 32, dtype=np.uint64)
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        product0 = c0 * np.uint64(0xD2511F53)
        product1 = c2 * np.uint64(0xCD9E8D57)
        c0, c1 = (product1 >> np.uint64(32)) ^ c1 ^ np.uint64(k0), product1 & low
        c2, c3 = (product0 >> np.uint64(32)) ^ c3 ^ np.uint64(k1), product0 & low
        k0 = (k0 + 0x9E3779B9) & 0xFFFFFFFF
        k1 = (k1 + 0xBB67AE85) & 0xFFFFFFFF
    start = first - 4 * first_block
    return np.stack([c0, c1, c2, c3], axis=1).astype(np.uint32).ravel()[start : start + count]


def permutation(seed: int, step: int, count: int) -> NDArray[np.int64]:
    """Return the indices 0 to count - 1 in an order that depends on seed and step alone.

    Parameters
    ----------
    seed : int
        From 0 to 2**64 - 1.
    step : int
        The number of the epoch.
    count : int
        How many indices.

    Returns
    -------
    array of int64

    Notes
    -----
    Every index gets a random 32-bit key; they are sorted by their keys, and by themselves where those are the same.
    """
    keys = random_words(seed, SHUFFLE, step, count).astype(np.uint64) << np.uint64(32)
    keys |= np.arange(count, dtype=np.uint64)
    keys.sort()
    return (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)
