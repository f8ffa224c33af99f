"""A class as static pages: one for the teacher, and one for each student, which names no other student."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from pathlib import Path

from pysmorch.files.writing import write_whole
from pysmorch.teach.classroom.rows import Mistake, Row, class_names, failures_of, mistakes_of, overview
from pysmorch.teach.grade_report import WAITS, GradeReport, Result

SHOWN_MISTAKES = 20
BARS = 10

STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: #8882; --right: #1a7f37; --wrong: #b3261e; --bar: #4a7fb5; }
@media (prefers-color-scheme: dark) { :root { --right: #5fd17d; --wrong: #ff8a80; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1rem; max-width: 60rem; overflow-wrap: anywhere; }
h1 { line-height: 1.2; font-size: 1.6rem; }
h2 { line-height: 1.2; font-size: 1.25rem; margin-top: 2rem; border-bottom: 1px solid var(--line); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid var(--soft); vertical-align: top; }
th { font-weight: 600; }
td.number, th.number { text-align: right; white-space: nowrap; }
table.students td { white-space: nowrap; }
pre { overflow-x: auto; background: var(--soft); padding: .5rem; margin: .4rem 0; font-size: .85rem; overflow-wrap: normal; }
ul.tests { list-style: none; padding: 0; }
ul.tests > li { padding: .4rem 0; border-bottom: 1px solid var(--soft); }
ol.mistakes > li { padding: .4rem 0; }
.right { color: var(--right); font-weight: 600; }
.wrong { color: var(--wrong); font-weight: 600; }
.waits { font-weight: 600; opacity: .8; }
.points { float: right; padding-left: 1rem; white-space: nowrap; }
.problem { border-left: 4px solid var(--wrong); padding: .2rem .8rem; background: var(--soft); }
.bars { display: flex; align-items: flex-end; gap: 2px; height: 9rem; max-width: 36rem; margin: 0; padding: 0; list-style: none; }
.bars li { flex: 1; display: flex; flex-direction: column; justify-content: flex-end; text-align: center; font-size: .75rem; height: 100%; }
.bars span { background: var(--bar); display: block; }
.bars small { border-top: 1px solid var(--line); white-space: nowrap; }
summary { cursor: pointer; padding: .3rem 0; }
p.soft, small { opacity: .8; }
"""


def write_pages(folder: str | Path, title: str, rows: Sequence[Row]) -> Path:
    """Write the page of a class, index.html, and the pages of its students, into a folder.

    Parameters
    ----------
    folder : str or Path
        Where; it is made where there is none.
    title : str
        What the class is called.
    rows : sequence of Row
        The submissions.

    Returns
    -------
    Path
        The page of the class.

    Raises
    ------
    OSError
        When they cannot be written.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(20, "is a file; --html takes a folder for the pages", str(folder))
    students = folder / "students"
    students.mkdir(parents=True, exist_ok=True)
    links = page_names([row.name for row in rows])
    for row, link in zip(rows, links, strict=True):
        _write(students / link, student_page(row))
    page = folder / "index.html"
    _write(page, class_page(title, rows, [f"students/{link}" for link in links]))
    return page


def _write(path: Path, text: str) -> None:
    write_whole(path, lambda file: file.write(text.encode("utf-8", "replace")))


def page_names(names: Sequence[str]) -> list[str]:
    """Return names of files for the pages of students, each different from the others on every system.

    Parameters
    ----------
    names : sequence of str
        Of the students.

    Returns
    -------
    list of str
        In the same order.
    """
    found: list[str] = []
    used: set[str] = set()
    for name in names:
        stem = re.sub(r"[^A-Za-z0-9-]+", "_", name).strip("_")[:60] or "student"
        link, i = stem, 1
        while link.lower() in used:
            i += 1
            link = f"{stem}_{i}"
        used.add(link.lower())
        found.append(f"{link}.html")
    return found


def student_page(row: Row) -> str:
    """Return the page of a student, without flags and without the names of others.

    Parameters
    ----------
    row : Row
        The submission.

    Returns
    -------
    str
        HTML that needs no other file.
    """
    report = row.report
    parts = [f"<h1>{_text(row.name)}</h1>", f"<p><b>{_points(report.points, report.max_points)} points</b></p>"]
    if report.problem:
        parts.append(f"<p class='problem'>{_text(report.problem)}</p>")
    parts += [f"<p>Note: {_text(note)}</p>" for note in report.notes]
    if report.printed:
        parts.append(f"<details><summary>Printed by the file</summary><pre>{_text(report.printed)}</pre></details>")
    parts += [_class_of_student(one) for one in report.reports]
    return _page(row.name, parts)


def _class_of_student(report: GradeReport) -> str:
    said: dict[str, str] = {}
    tests = "".join(_test(result, said) for result in report.results)
    printed = (
        f"<details><summary>Printed</summary><pre>{_text(report.printed)}</pre></details>" if report.printed else ""
    )
    points = _points(report.points, report.max_points)
    tests = f"<ul class='tests'>{tests}</ul>"
    if report.passed:
        tests = f"<details><summary><span class='right'>all right</span></summary>{tests}</details>"
    return f"<h2>{_text(report.name)} <span class='points'>{points}</span></h2>{tests}{printed}"


def _test(result: Result, said: dict[str, str]) -> str:
    verdict = "<span class='right'>right</span>" if result.passed else "<span class='wrong'>WRONG</span>"
    if result.cause.startswith(WAITS):
        verdict = "<span class='waits'>waits</span>"
    points = f"<span class='points'>{_points(result.points, result.max_points)}</span>"
    lines = [f"{points}{verdict} {_text(result.name)}"]
    before = next((name for cause, name in said.items() if result.cause in cause), None)
    if not result.passed and before is not None:
        lines.append(f"<div>For the same reason as: {_text(before)}.</div>")
    elif not result.passed:
        said[result.cause] = result.name
        lines.append(_explanation(result.cause, result.example, result.hint))
    return f"<li>{''.join(lines)}</li>"


def _explanation(cause: str, example: str, hint: str) -> str:
    parts = [f"<div>{_text(cause)}</div>"]
    parts += [f"<pre tabindex='0'>{_text(example)}</pre>"] if example else []
    parts += [f"<div>Hint: {_text(hint)}</div>"] if hint else []
    return "".join(parts)


def class_page(title: str, rows: Sequence[Row], links: Sequence[str]) -> str:
    """Return the page of a class: its numbers, what most got wrong, and a table of the students.

    Parameters
    ----------
    title : str
        What the class is called.
    rows : sequence of Row
        The submissions.
    links : sequence of str
        The addresses of the students' pages, in the same order.

    Returns
    -------
    str
        HTML that needs no other file but the students' pages.
    """
    parts = [
        f"<h1>{_text(title)}</h1>",
        f"<p>{_text(overview(rows))}</p>",
        _histogram(rows),
        "<h2>What most got wrong</h2>",
        _mistakes(mistakes_of(rows), len(rows)),
        "<h2>Classes and tests</h2>",
        *_classes(rows),
        _to_look_at(rows, links),
        "<h2>Students</h2>",
        _students(rows, links),
    ]
    return _page(title, parts)


def _histogram(rows: Sequence[Row]) -> str:
    counts = [0] * BARS
    for row in rows:
        share = row.report.points / row.report.max_points if row.report.max_points else 0.0
        counts[min(int(share * BARS), BARS - 1)] += 1
    bars = "".join(
        f"<li>{count}<span style='height:{75 * count / max(counts):.0f}%'></span><small>{100 * i // BARS}</small></li>"
        for i, count in enumerate(counts)
    )
    label = f"How many submissions have how many per cent of their points, in steps of {100 // BARS}"
    return f"<ul class='bars' aria-label='{label}'>{bars}</ul><p class='soft'>{label}.</p>"


def _mistakes(mistakes: Sequence[Mistake], total: int) -> str:
    if not mistakes:
        return "<p>Nobody got anything wrong.</p>"
    items = []
    for mistake in mistakes[:SHOWN_MISTAKES]:
        count = len(mistake.students)
        who = ", ".join(mistake.students[:30]) + (f" and {count - 30} more" if count > 30 else "")
        details = _explanation(f"Made by: {who}.", mistake.example, mistake.hint)
        items.append(
            f"<li><b>{_text(mistake.name)}</b>: {_text(mistake.cause)}. "
            f"<details><summary>{count} of {total} ({100 * count / total:.0f} %)</summary>{details}</details></li>"
        )
    left = len(mistakes) - SHOWN_MISTAKES
    more = f"<p class='soft'>and {left} other sentences, each from fewer students.</p>" if left > 0 else ""
    return f"<ol class='mistakes'>{''.join(items)}</ol>{more}"


def _classes(rows: Sequence[Row]) -> list[str]:
    failures = failures_of(rows)
    parts = []
    for name in class_names(rows):
        reports = [report for report in (row.of_class(name) for row in rows) if report is not None]
        right = sum(report.passed for report in reports)
        mean = sum(report.points for report in reports) / len(reports)
        tests = "".join(
            f"<tr><td>{_text(test)}</td><td class='number'>{total - failed} of {total}</td></tr>"
            for (owner, test), (failed, total) in failures.items()
            if owner == name
        )
        parts.append(
            f"<details><summary><b>{_text(name)}</b>: {right} of {len(reports)} have all right; "
            f"mean {_points(mean, max(report.max_points for report in reports))} points</summary>"
            f"<div class='wide'><table><tr><th>test</th><th class='number'>right</th></tr>{tests}</table></div></details>"
        )
    return parts


def _to_look_at(rows: Sequence[Row], links: Sequence[str]) -> str:
    """What a teacher should look at: submissions with flags, notes or a problem."""
    items = [
        f"<li><a href='{link}'>{_text(row.name)}</a>: {_text(' '.join(filter(None, [row.report.problem, *words])))}</li>"
        for row, link in zip(rows, links, strict=True)
        if (words := [f"{word[0].upper()}{word[1:].rstrip('.')}." for word in [*row.flags, *row.report.notes]])
        or row.report.problem
    ]
    return f"<h2>To look at</h2><ul>{''.join(items)}</ul>" if items else ""


def _students(rows: Sequence[Row], links: Sequence[str]) -> str:
    names = class_names(rows)
    head = "".join(f"<th class='number'>{_text(name)}</th>" for name in names)
    lines = []
    for row, link in zip(rows, links, strict=True):
        cells = []
        for name in names:
            report = row.of_class(name)
            cells.append(f"<td class='number'>{'' if report is None else _number(report.points)}</td>")
        total = f"<td class='number'>{_points(row.report.points, row.report.max_points)}</td>"
        lines.append(f"<tr><td><a href='{link}'>{_text(row.name)}</a></td>{total}{''.join(cells)}</tr>")
    return (
        "<div class='wide'><table class='students'>"
        f"<tr><th>name</th><th class='number'>points</th>{head}</tr>{''.join(lines)}</table></div>"
    )


def _page(title: str, parts: Sequence[str]) -> str:
    return (
        "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{_text(title)}</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _text(text: str) -> str:
    return html.escape(text)


def _points(points: float, max_points: float) -> str:
    return f"{_number(points)} of {_number(max_points)}"


def _number(points: float) -> str:
    return f"{points:.2f}".rstrip("0").rstrip(".")
