"""The words of the field in code, comments, messages and docs; the lessons of the course tell stories and are left out."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LESSONS = ROOT / "src/pysmorch/teach/course/lessons"
FILES = sorted(
    path
    for path in (
        *(ROOT / "src").rglob("*.py"),
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "examples").glob("*.py"),
        *(ROOT / "benchmarks").glob("*.py"),
        *(ROOT / "native").rglob("*.h"),
        *(ROOT / "native").rglob("*.cpp"),
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
    )
    if LESSONS not in path.parents
)

INSTEAD = {
    # "in place" and "in one place" are what everybody says.
    r"(?<!\bin )(?<!\bone )\bplaces?\b": "index, position, offset, or RNG stream",
    r"\bkept\b": "stored, saved, or left as it is",
    r"(?-i:\bShares\b)": "work stealing",
    # os.walk and ast.walk are calls.
    r"(?<!\.)\bwalk(s|ed|ing)?\b": "traversal",
    r"\bhand(s|ed|ing)?\b[^.]{0,20}\bback\b": "backpropagate, return, or pass back",
    r"\bthe way back\b": "the backward pass",
    r"\bask(s|ed|ing)? for\b": "requested, needed, or prefetched",
    r"\bin any company\b": "batch-invariant",
    r"\bbehind\b|\bin front\b": "input layer, consumer, before or after",
    r"\bhand-?over\b": "proxy input",
    r"\btakers?\b": "consumer, or fused input",
    r"\bsecond cache\b": "L2",
    r"why_not|reason_against": "unsupported_reason",
    r"\blisteners?\b|\b_tell\b|\bheard\b|(?-i:_SAID\b)": "callback, hook, or logged",
    r"HALVES_VARIANCE": "He initialisation",
    r"\bspared\b": "excluded from weight decay",
}


@pytest.mark.parametrize("pattern", INSTEAD)
def test_the_words_of_the_field_are_used(pattern):
    found = []
    for path in FILES:
        lines = path.read_text(encoding="utf-8").splitlines()
        found += [
            f"{path.relative_to(ROOT)}:{i}: {line.strip()}"
            for i, line in enumerate(lines, 1)
            if re.search(pattern, line, re.IGNORECASE)
        ]
    assert not found, f"say {INSTEAD[pattern]} instead:\n" + "\n".join(found)
