"""A submission as a source that can be graded: what does not compile is left out and costs only itself.

The grader reads Python files. A notebook becomes one, with its cells one after the other; blanks of the assignment that are left
as they were become a name that nothing defines; a class or a statement that does not compile is replaced by empty lines. Which
line of the submission a line of the source was is known, so that messages can name it.
"""

from __future__ import annotations

import ast
import hashlib
import re
import tokenize
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from pysmorch.teach.classroom.notebook import Cell, NotebookError, cells_of, plain_python

MAX_FILE_SIZE = 64 * 2**20
"""Bytes of a submission; a notebook has its pictures in it."""

MAX_CODE_SIZE = 2**20
"""Characters of its code."""

BLANK = "YOUR_CODE_HERE"
"""The name that a blank becomes which was left as it was."""

MOST_JOINED = 200
"""How many lines without indentation may belong to one statement that has a string over several lines."""

MOST_TRIED = 2000
"""How many such joins are tried for a file or cell, so that one that is broken everywhere takes no minutes."""

SHOWN_PROBLEMS = 3

NOTEBOOK_NAMES = """\
class _Notebook:
    def __call__(self, *args, **kwargs): return self
    def __getattr__(self, name): return self
get_ipython = display = _Notebook()
"""
"""What stands for the names that a notebook has without an import; each of them does nothing."""

_BLANK_MARK = re.compile(r"#+[ \t]*YOUR CODE HERE[ \t]*#*", re.IGNORECASE)
_NEEDS_MORE = re.compile(r"(?:[-+*/@%=(,\[{&|<>.]|\breturn|\band|\bor|\bnot|\bin|\bif|\belse)\s*$")
_GOES_ON = re.compile(r"[ \t\n\r\f#)\]}]|(?:else|elif|except|finally)\b")
_CLASS = re.compile(r"(?:class|def)\s+(\w+)")


@dataclass
class Prepared:
    """What is graded of a submission.

    Parameters
    ----------
    source : str
        Python that compiles, or has at least no fault that costs other classes anything.
    problems : list of str, default=[]
        What is wrong with the submission, each a sentence.
    broken : dict of str to str, default={}
        The classes that do not compile, each with a sentence on why.
    lines : list of (int or None, int), default=[]
        For each line of the source the cell, where there are cells, and the line in it or in the file.
    is_whole : bool, default=False
        Whether the submission is a Python file that can be graded as it is.
    num_broken : int, default=0
        How many statements and classes do not compile.
    """

    source: str
    problems: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    lines: list[tuple[int | None, int]] = field(default_factory=list)
    is_whole: bool = False
    num_broken: int = 0

    def where(self, line: int) -> str:
        """Name a line of the source as the student sees it.

        Parameters
        ----------
        line : int
            Its number, counted from 1.

        Returns
        -------
        str
            "line 7", or "line 7 of code cell 3".
        """
        if not 1 <= line <= len(self.lines):
            return f"line {line}"
        cell, own = self.lines[line - 1]
        return f"line {own}" if cell is None else f"line {own} of code cell {cell}"

    def add(self, text: str, cell: int | None) -> None:
        """Add the code of a file or of one cell, without what does not compile.

        Parameters
        ----------
        text : str
            The code as it was written.
        cell : int or None
            Which cell it is.
        """
        start = len(self.lines)
        self.lines += [(cell, i) for i in range(1, text.count("\n") + 2)]
        text = fill_blanks(text)
        if error_in(text) is not None:
            text = plain_python(text)
        if error_in(text) is not None:
            text = self._without_broken(text, start)
        self.source += f"{text}\n"

    def _without_broken(self, text: str, start: int) -> str:
        parts = []
        for first, block in blocks_of(text):
            error = error_in(block)
            if error is not None:
                self._note(block, error, start + first)
                block = "\n" * block.count("\n")
            parts.append(block)
        return "".join(parts)

    def _note(self, block: str, error: SyntaxError, start: int) -> None:
        line = start + (error.lineno or 1)
        text = block.split("\n")[min(error.lineno or 1, block.count("\n") + 1) - 1].strip()[:120]
        named = _CLASS.search(block) if _CLASS.match(block) or block.startswith("@") else None
        what = named[1] if named else "A statement"
        reason = re.sub(r"\bline (\d+)", lambda match: self.where(start + int(match[1])), error.msg or "")
        sentence = f"{what} does not compile: {reason}, in {self.where(line)}: {text}"
        self.num_broken += 1
        if self.num_broken <= SHOWN_PROBLEMS:
            self.problems.append(f"{sentence.rstrip('.')}. It is left out, the rest was run.")
        if named:
            self.broken[named[1]] = f"{sentence.rstrip('.')}."


def prepare(path: Path, aliases: Mapping[str, str]) -> Prepared:
    """Return what is graded of a submission.

    Parameters
    ----------
    path : Path
        A file that ends in .py or .ipynb.
    aliases : mapping of str to str
        Names of classes in submissions, with the names under which they are graded.

    Returns
    -------
    Prepared
        Without source, and with a sentence on why, where nothing can be graded.
    """
    try:
        text = read_text(path)
        is_notebook = path.suffix.lower() == ".ipynb"
        cells = cells_of(text) if is_notebook else [Cell(0, text)]
    except (NotebookError, OSError) as error:
        reason = f"The file cannot be read: {error.strerror}." if isinstance(error, OSError) else str(error)
        return Prepared("", [reason])
    if not any(cell.text.strip() for cell in cells):
        return Prepared("", [f"The {'notebook has no code' if is_notebook else 'file is empty'}: is it the right one?"])
    if sum(len(cell.text) for cell in cells) > MAX_CODE_SIZE:
        return Prepared("", [f"There is more than {MAX_CODE_SIZE // 2**20} MB of code: is it the right file?"])
    prepared = Prepared("")
    if re.search(r"\b(?:get_ipython|display)\b", "".join(cell.text for cell in cells)):
        prepared.source = NOTEBOOK_NAMES
        prepared.lines = [(None, 0)] * NOTEBOOK_NAMES.count("\n")
    for cell in cells:
        prepared.add(re.sub(r"\r\n?", "\n", cell.text), cell.number if is_notebook else None)
    if prepared.num_broken > SHOWN_PROBLEMS:
        prepared.problems.append(f"And {prepared.num_broken - SHOWN_PROBLEMS} more statements do not compile.")
    names = defined_names(prepared.source)
    for spelled, name in aliases.items():
        if spelled in names and name not in names:
            prepared.source += f"{name} = {spelled}\n"
        if spelled in prepared.broken:
            prepared.broken.setdefault(name, prepared.broken[spelled])
    prepared.is_whole = not is_notebook and prepared.source == f"{text}\n"
    return prepared


def named_classes(path: Path) -> set[str]:
    """Return the names after `class` and `def` at the beginning of lines, also of code that does not compile.

    Parameters
    ----------
    path : Path
        A submission.

    Returns
    -------
    set of str
        None where it cannot be read.
    """
    try:
        text = read_text(path)
        if path.suffix.lower() == ".ipynb":
            text = "\n".join(cell.text for cell in cells_of(text))
    except (NotebookError, OSError):
        return set()
    return set(re.findall(r"^(?:class|def)\s+(\w+)", text, re.MULTILINE))


def digest_of(source: str) -> str:
    """Return what two sources have in common that differ in comments, docstrings and layout alone.

    Parameters
    ----------
    source : str
        Code.

    Returns
    -------
    str
        A digest; empty where there is no code, or none that compiles.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
                del node.body[0]
        return hashlib.sha256(ast.dump(tree).encode()).hexdigest() if tree.body else ""
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return ""


def read_text(path: Path) -> str:
    """Return the text of a file, in the encoding that it names, or UTF-8 or UTF-16.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    str
        Its text, with line ends as they are.

    Raises
    ------
    NotebookError
        When it is no text, or too large; the message is a sentence.
    OSError
        When it cannot be read.
    """
    if path.stat().st_size > MAX_FILE_SIZE:
        raise NotebookError(f"The file is larger than {MAX_FILE_SIZE // 2**20} MB: is it the right one?")
    content = path.read_bytes()
    encoding = "utf-8-sig"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif path.suffix.lower() != ".ipynb" and b"\0" not in content:
        try:
            encoding = tokenize.detect_encoding(BytesIO(content).readline)[0]
        except SyntaxError:
            encoding = "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeError:
        text = "\0"
    if "\0" in text:
        raise NotebookError("The file is no text: it may be damaged, or a document or an archive with another ending.")
    return text


def fill_blanks(text: str) -> str:
    """Return code in which blanks of the assignment that are left as they were are a name.

    Parameters
    ----------
    text : str
        The code.

    Returns
    -------
    str
        As many lines. A mark that is a line of its own, or follows a whole statement, is a comment and stays one.
    """
    return "\n".join(_filled(line) if "CODE HERE" in line.upper() else line for line in text.split("\n"))


def _filled(line: str) -> str:
    mark = _BLANK_MARK.search(line)
    if mark is None or not line[: mark.start()].strip():
        return line
    before, after = line[: mark.start()], line[mark.end() :]
    if _NEEDS_MORE.search(before):
        return f"{before}{BLANK}{after}"
    is_open = sum(map(before.count, "([{")) > sum(map(before.count, ")]}"))
    return before + after if is_open and after.strip() else line


def error_in(text: str) -> SyntaxError | None:
    """Return why a piece of code does not compile.

    Parameters
    ----------
    text : str
        The code.

    Returns
    -------
    SyntaxError or None
        None when it compiles.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, "submission", "exec", dont_inherit=True)
    except SyntaxError as error:
        return error
    except (ValueError, MemoryError, RecursionError) as error:
        return SyntaxError(str(error) or "it is too deeply nested")
    return None


def blocks_of(text: str) -> list[tuple[int, str]]:
    """Divide code at lines without indentation, so that each statement that compiles is a block or part of one.

    Parameters
    ----------
    text : str
        Code that does not compile as a whole.

    Returns
    -------
    list of (int, str)
        For each block how many lines come before it, and its text.
    """
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    starts: list[int] = []
    decorated = False
    for i, line in enumerate(lines):
        if i == 0 or not (decorated or _GOES_ON.match(line)):
            starts.append(i)
        decorated = line.startswith("@") or (decorated and _GOES_ON.match(line) is not None)
    ends = [*starts[1:], len(lines)]
    blocks, i, tries = [], 0, MOST_TRIED
    while i < len(starts):
        last, tried = _end_of_block(lines, starts[i], ends[i : i + 1 + min(MOST_JOINED, tries)])
        tries -= tried
        blocks.append((starts[i], "".join(lines[starts[i] : ends[i + last]])))
        i += last + 1
    return blocks


def _end_of_block(lines: list[str], start: int, ends: list[int]) -> tuple[int, int]:
    """Which of several ends makes a block that compiles, the first where none does; and how many others were tried."""
    for i, end in enumerate(ends):
        error = error_in("".join(lines[start:end]))
        if error is None:
            return i, i
        if not re.search("unterminated triple-quoted|was never closed", error.msg or ""):
            return 0, i
    return 0, len(ends) - 1


def defined_names(source: str) -> list[str]:
    """Return the names of the classes and functions that code defines outside of others.

    Parameters
    ----------
    source : str
        Code; of one that does not compile no name is known.

    Returns
    -------
    list of str
        In their order.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = ast.parse(source).body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return []
    return [node.name for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
