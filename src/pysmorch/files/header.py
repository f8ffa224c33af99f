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
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise ModelFileError(f"the entry {name!r} of its header is an integer that is out of range")
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


def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the entries of an object of JSON; ValueError where two have the same name, of which one would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an entry is there twice")
    return found


class Header(dict[str, Any]):
    """Plain data that remember which of their entries were read: one that nobody reads is from a version with other ones."""

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__(values)
        self.read: set[str] = set()

    @classmethod
    def of(cls, plain: Any) -> Any:
        """Return plain data with all their dictionaries, also those in lists, of this class."""
        if isinstance(plain, dict):
            return cls({name: cls.of(value) for name, value in plain.items()})
        return [cls.of(item) for item in plain] if isinstance(plain, list) else plain

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Return an entry, which counts as read, or the default."""
        self.read.add(name)
        return super().get(name, default)

    def items(self) -> Any:
        """Return all entries, which count as read."""
        self.read.update(self)
        return super().items()

    def keys(self) -> Any:
        """Return all names; whoever takes them knows what to do with each."""
        self.read.update(self)
        return super().keys()


def plain(header: Any) -> Any:
    """Return plain data with all their dictionaries of Python's own class, all of whose entries count as read."""
    if isinstance(header, dict):
        return {name: plain(value) for name, value in header.items()}
    return [plain(item) for item in header] if isinstance(header, list) else header


def unknown_entry(header: Any) -> str | None:
    """Return the name of an entry that was not read, after those of the entries around it, or None where there is none."""
    todo = [(header, "")]
    while todo:
        value, around = todo.pop()
        if isinstance(value, Header):
            for name in value:
                if name not in value.read and dict.__getitem__(value, name) is not None:
                    return f"{around}{name}"
            todo += [(dict.__getitem__(value, name), f"{around}{name}.") for name in value]
        elif isinstance(value, list):
            todo += [(item, around) for item in value]
    return None
