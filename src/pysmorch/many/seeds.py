"""The seed of each group: a function of the seed of all, and of the group's name, and of nothing else."""

from __future__ import annotations

import hashlib
import json

from pysmorch.many.grouping import Key

LARGEST_SEED = 2**31 - 1


def seed_of_group(seed: int, key: Key) -> int:
    """Return the seed of a group.

    Parameters
    ----------
    seed : int
        The `random_state` of all.
    key : str, int, bool or tuple
        The name of the group.

    Returns
    -------
    int
        From 0 to 2**31 - 2: the first eight bytes of a SHA-256, as a number, modulo 2**31 - 1. Numbers and texts that are written the
        same have the same.

    Examples
    --------
    >>> seed_of_group(0, "Oslo") == seed_of_group(0, "Oslo") != seed_of_group(1, "Oslo")
    True
    """
    parts = key if isinstance(key, tuple) else (key,)
    text = json.dumps([seed, *map(str, parts)], ensure_ascii=True)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % LARGEST_SEED
