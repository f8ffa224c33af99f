"""What a check of the course shows: the first test that fails, in full, and how many others fail."""

from __future__ import annotations

from html import escape
from textwrap import fill, indent

from pysmorch.teach.grade_report import PRE, TEXT_WIDTH, GradeReport


class Verdict:
    """A report of failed tests in short, without points: as text, and in a notebook in its font for code."""

    def __init__(self, report: GradeReport) -> None:
        self.report = report

    def __str__(self) -> str:
        failed = [result for result in self.report if not result.passed]
        first = failed[0]
        parts = [fill(first.cause, TEXT_WIDTH, break_long_words=False, break_on_hyphens=False), first.example]
        if first.hint:
            parts.append(fill(f"Hint: {first.hint}", TEXT_WIDTH, break_long_words=False, break_on_hyphens=False))
        if self.report.printed:
            parts += ["printed by it:", indent(self.report.printed, "  ")]
        lines = [
            f"{self.report.name}, the first test that fails: {first.name}",
            indent("\n".join(filter(None, parts)), "  "),
        ]
        if len(failed) > 1:
            lines.append(f"then {len(failed) - 1} more of {len(self.report.results)} tests")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre style='{PRE}'>{escape(str(self), quote=False)}</pre>"
