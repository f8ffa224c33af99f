"""The course as static pages: mathematics as MathML, code in colours, and what the demonstrations print and show.

A page needs no script and nothing from elsewhere.
"""

from __future__ import annotations

import re
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any

from pysmorch.diagram.svg import as_image
from pysmorch.teach.course.folder import check_empty
from pysmorch.teach.course.performance import Performance, Shown
from pysmorch.teach.course.source import Cell, Lesson, lessons

STYLE = (Path(__file__).parent / "edition.css").read_text(encoding="utf-8")
NEEDED = ("latex2mathml.converter", "markdown_it", "mdit_py_plugins.dollarmath", "pygments")
WIDE = 30
"""Formulas within a line that are longer than this, as LaTeX, may have to be scrolled on a phone."""
BETTER = (
    (r"<mo>(&#x02016;)", r'<mo stretchy="false">\1'),  # bars as high as what is between them, not as the whole formula
    (r"<mo>(&#x0002F;)", r'<mo lspace="0" rspace="0">\1'),
    (r"(<m([io])>(?:log|cos|tanh)</m\2>)(?=<m(?:n|i|frac))", r'\1<mspace width="0.167em"/>'),
)
"""What browsers need besides what latex2mathml writes, as patterns and replacements."""


def html(folder: str | Path, solutions: bool = False) -> list[str]:
    """Write the pages into a new or empty folder: one a lesson, and an index.

    Parameters
    ----------
    folder : str or path-like
        Where the pages go.
    solutions : bool, default=False
        Whether they have solutions and answers; otherwise they have blanks.

    Returns
    -------
    list of str
        Names of the files.

    Raises
    ------
    CourseError
        When the folder holds anything.
    ImportError
        When a package is missing that renders pages.
    """
    folder = Path(folder)
    check_empty(folder, "for the pages")
    pages = _Pages(solutions)
    performance = Performance()
    files = {"index.html": pages.index(), "style.css": STYLE + pages.code_style()}
    for lesson in lessons():
        files[f"{lesson.name}.html"] = pages.page(lesson, performance.run(lesson))
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return list(files)


class _Pages:
    """Renders lessons."""

    def __init__(self, solutions: bool) -> None:
        try:
            latex, markdown, dollars, self.pygments = map(import_module, NEEDED)
            self.lexers, self.formatters = import_module("pygments.lexers"), import_module("pygments.formatters")
        except ImportError as error:
            raise ImportError(f"pages need {error.name}: install it with pip install 'pysmorch[html]'") from error
        self.solutions = solutions
        self.markdown: Any = markdown.MarkdownIt("commonmark").enable("table")
        self.markdown.use(dollars.dollarmath_plugin, renderer=_mathematics(latex.convert), allow_space=True)

    def code_style(self) -> str:
        """The rules for code in colours, on light and on dark ground."""
        light, dark = (self.formatters.HtmlFormatter(style=s).get_style_defs("pre.code") for s in ("xcode", "monokai"))
        return f"{_of_tokens(light)}\n@media (prefers-color-scheme: dark) {{\n{_of_tokens(dark)}\n}}\n"

    def index(self) -> str:
        """The page with all lessons."""
        items = "".join(
            f'<li><a href="{lesson.name}.html">{escape(lesson.title.split(": ", 1)[1])}</a>'
            f"<p>{', '.join(f'<code>{name}</code>' for name in lesson.checked)}</p></li>"
            for lesson in lessons()
        )
        intro = (
            "<p>A course in backpropagation. You complete a small neural-network library, class by class, and everything "
            "that you build is used in the next lesson. To work in it, and to have your own classes checked, type "
            "<code>pysmorch course start lessons</code>; these pages are for reading.</p>"
        )
        return _document("The course", f"<h1>The course</h1>{intro}<ol class='lessons'>{items}</ol>")

    def page(self, lesson: Lesson, outputs: list[Shown]) -> str:
        """The page of a lesson; `outputs` has what each of its cells shows."""
        cells = lesson.teacher() if self.solutions else lesson.student()
        shown = iter(zip(cells, lesson.teacher(), outputs, strict=True))
        parts = []
        for source in lesson.cells:
            if source.hints_for:
                parts.append(self._hints(lesson.hints[source.hints_for], source.hints_for))
                continue
            cell, solved, output = next(shown)
            if solved.answer and not self.solutions:
                continue
            parts.append(self._cell(cell))
            parts += [_output(thing) for thing in output if cell.kind == "code"]
        names = [one.name for one in lessons()]
        at = names.index(lesson.name)
        links = ['<a href="index.html">all lessons</a>']
        if at > 0:
            links.insert(0, f'<a href="{names[at - 1]}.html" rel="prev">lesson {at}</a>')
        if at + 1 < len(names):
            links.append(f'<a href="{names[at + 1]}.html" rel="next">lesson {at + 2}</a>')
        nav = f"<nav>{' '.join(links)}</nav>"
        return _document(lesson.title, f"{nav}{''.join(parts)}{nav}")

    def _cell(self, cell: Cell) -> str:
        if cell.kind == "markdown":
            return str(self.markdown.render(cell.text))
        formatter = self.formatters.HtmlFormatter(nowrap=True)
        code = self.pygments.highlight(cell.text, self.lexers.PythonLexer(), formatter)
        blank = " blank" if re.search(r"(?<!\[)\.\.\.", cell.text) and not self.solutions else ""
        return f'<pre class="code{blank}" tabindex="0">{code}</pre>'

    def _hints(self, steps: list[str], name: str) -> str:
        inner = ""
        for step in reversed(steps):
            head, _, text = step.partition(": ")
            inner = f"<details><summary>{head}</summary><p>{escape(text)}</p>{inner}</details>"
        return f'<div class="hints"><p>Stuck with <code>{name}</code>?</p>{inner}</div>'


def _mathematics(convert: Any) -> Any:
    """Return a function that renders a formula, in the form that the plugin calls."""

    def render(formula: str, options: dict[str, Any]) -> str:
        element = str(convert(formula.strip(), display="block" if options["display_mode"] else "inline"))
        for pattern, better in BETTER:
            element = re.sub(pattern, better, element)
        is_wide = not options["display_mode"] and len(formula) > WIDE
        return f'<span class="wide">{element}</span>' if is_wide else element

    return render


def _of_tokens(rules: str) -> str:
    """Only the rules for parts of code, without those for the ground it is on."""
    return "\n".join(line for line in rules.splitlines() if re.match(r"pre\.code \.\w+ ", line))


def _output(thing: Any) -> str:
    if isinstance(thing, str) and not hasattr(thing, "_repr_svg_"):
        return f'<pre class="output" tabindex="0">{escape(thing)}</pre>'
    return f'<div class="picture">{as_image(getattr(thing, "svg", thing))}</div>'


def _document(title: str, body: str) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{escape(title)}</title>\n<link rel="stylesheet" href="style.css">\n</head>\n'
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )
