"""Hints in three steps: where to look, which rule, the formula. How many were opened is counted in the course folder."""

from __future__ import annotations

import json
from pathlib import Path

from pysmorch.files import write_whole
from pysmorch.teach.course.source import lessons

FILE = "my_hints.json"


def all_hints() -> dict[str, list[str]]:
    """The steps to every piece of the course, by its name."""
    return {name: steps for lesson in lessons() for name, steps in lesson.hints.items()}


def opened(folder: Path) -> dict[str, int]:
    """How many steps were opened, by piece; nothing where there is no count or none that can be read."""
    try:
        counts = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    known = all_hints()
    usable = counts.items() if isinstance(counts, dict) else ()
    return {name: min(n, len(known[name])) for name, n in usable if name in known and type(n) is int and n > 0}


def open_next(folder: Path, name: str) -> str:
    """Open the next step to a piece; return all that are open.

    Raises ValueError, with the names that there are, for a piece without hints.
    """
    steps = all_hints().get(name)
    if steps is None:
        raise ValueError(f"there are no hints for {name!r}; there are some for {', '.join(all_hints())}")
    counts = opened(folder)
    count = min(counts.get(name, 0) + 1, len(steps))
    if counts.get(name) != count:
        text = json.dumps(counts | {name: count}, indent=1) + "\n"
        write_whole(folder / FILE, lambda file: file.write(text.encode()))
    lines = [f"{number} of {len(steps)}: {step}" for number, step in enumerate(steps[:count], start=1)]
    rest = "for the next step, ask again" if count < len(steps) else "this was the last step"
    total = sum((counts | {name: count}).values())
    return "\n".join([*lines, f"({rest}; {total} {'step' if total == 1 else 'steps'} opened in this course)"])
