"""Reading untrusted plain data: every entry is fetched with its type, and an error says which one is missing."""

from __future__ import annotations

from typing import Any

LARGEST_SIZE = 2**31
"""No axis of anything in a model file may be longer."""


class ModelFileError(ValueError):
    """A model file that cannot be used; the message says which file and what is wrong with it."""


def entry(mapping: Any, name: str, *kinds: type) -> Any:
    """Return an entry of a header if it is there and of one of these types."""
    if not isinstance(mapping, dict) or name not in mapping:
        raise ModelFileError(f"its header has no entry {name!r}")
    value = mapping[name]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise ModelFileError(
            f"the entry {name!r} of its header should be {kinds[0].__name__}, but is {type(value).__name__}"
        )
    return value


def entries(mapping: Any, name: str, *kinds: type) -> list[Any]:
    """Return a list in a header if all its items are of one of these types."""
    return [entry({name: value}, name, *kinds) for value in entry(mapping, name, list)]


def check_sizes(name: str, value: Any) -> None:
    """Refuse integers that would need more memory than any model here has."""
    items = [value]
    while items:
        item = items.pop()
        if isinstance(item, (list, tuple)):
            items += item
        elif isinstance(item, int) and not -1 <= item < LARGEST_SIZE:
            raise ModelFileError(f"the size {name} = {item} is out of range")
