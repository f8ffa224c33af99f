"""The class of all warnings of the library, by which they can be filtered."""

from __future__ import annotations


class PysmorchWarning(UserWarning):
    """What deserves attention and is no error: data that carry nothing, a parameter that a file cannot hold.

    Examples
    --------
    >>> import warnings
    >>> warnings.filterwarnings("ignore", category=PysmorchWarning)
    """
