"""Run as a program: try classes and functions of my_smorch.py.

The first line that is printed says, as JSON, what keeps the file from being run ("" for nothing). Then there is a line for
each name, as [name, verdict].
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from pysmorch.teach.course import mine
from pysmorch.teach.course.workbook import grade_thing


def main(folder: str, *names: str) -> None:
    """Print a verdict for each name; what the student's code prints goes nowhere."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        namespace = mine.load(Path(folder))
    except mine.BrokenLibraryError as error:
        print(json.dumps(str(error)), file=answers, flush=True)
        return
    print(json.dumps(""), file=answers, flush=True)
    for name in names:
        report = grade_thing(namespace[name])
        cause = next((result.cause for result in report if not result.passed), "")
        print(json.dumps([name, "right" if report.passed else f"WRONG: {cause}"]), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
