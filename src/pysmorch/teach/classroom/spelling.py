"""Other spellings of the names of classes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

OTHER_NAMES = {
    "dense": "Linear",
    "fullyconnected": "Linear",
    "affine": "Linear",
    "leastsquares": "SquareLoss",
    "meansquarederror": "SquareLoss",
    "mse": "SquareLoss",
    "softmaxcrossentropy": "CrossEntropy",
    "crossentropysoftmax": "CrossEntropy",
    "convolution": "Conv2d",
    "conv": "Conv2d",
    "batchnorm": "Normalize",
    "batchnormalization": "Normalize",
    "maxpool": "MaxPool2d",
    "maxpooling": "MaxPool2d",
}
"""What classes are called elsewhere, without capitals and without "layer" and "loss"."""


def suggest(defined: Iterable[str], missing: Iterable[str]) -> dict[str, str]:
    """Return names that are probably other spellings of names that are missing.

    Parameters
    ----------
    defined : iterable of str
        The names that there are.
    missing : iterable of str
        The names that there should be.

    Returns
    -------
    dict of str to str
        The names that are missing, by the spelling that was found.

    Examples
    --------
    >>> suggest(["ReLU", "Helper"], ["Relu", "Bias"])
    {'ReLU': 'Relu'}
    """
    names = list(defined)
    wanted = {_bare(name): name for name in missing if name not in names}
    found: dict[str, str] = {}
    for name in names:
        bare = _bare(name)
        close = get_close_matches(bare, wanted, n=1, cutoff=0.8)
        other = OTHER_NAMES.get(bare)
        if other is not None and other in wanted.values():
            found[name] = other
        elif close and wanted[close[0]] not in found.values():
            found[name] = wanted[close[0]]
    return found


def _bare(name: str) -> str:
    """A name without what spellings differ in."""
    return re.sub(r"layer|loss|_|\d+d?$", "", name.lower()) or name.lower()
