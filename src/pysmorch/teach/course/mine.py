"""The student's own library, my_smorch.py: what passes a check is saved there, and the lessons take it from there."""

from __future__ import annotations

import ast
import builtins
import dis
import linecache
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

from pysmorch.files import write_whole

FILE = "my_smorch.py"

BEGINNING = '''"""My own library. What passes a check of the course is saved here, instead of an earlier version if there is one."""

import numpy as np
'''

Definition = ast.ClassDef | ast.FunctionDef


class BrokenLibraryError(ValueError):
    """my_smorch.py cannot be read or run; the message says the line."""


@dataclass(frozen=True)
class Piece:
    """A class or function as it was written.

    Attributes:
        name: what it is called.
        text: its source.
        file: the file that it is in; a notebook's cell has a made-up one.
        first_line: the number of its first line in there.
    """

    name: str
    text: str
    file: str
    first_line: int

    def blanks(self) -> list[tuple[int, str]]:
        """The lines where a `...` still stands for something, by their numbers in the file."""
        tree = ast.parse(self.text)
        indices = {id(node) for sub in ast.walk(tree) if isinstance(sub, ast.Subscript) for node in ast.walk(sub.slice)}
        lines = {
            node.lineno
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and node.value is ... and id(node) not in indices
        }
        texts = self.text.splitlines()
        return [(self.first_line + line - 1, texts[line - 1].strip()) for line in sorted(lines)]

    def unknown_names(self, known: dict[str, Any]) -> dict[str, int]:
        """Names that it uses and that neither Python nor `known` has, with the line of their first use."""
        module = self._compile()
        have = {self.name, *known, *dir(builtins), "__name__", "__qualname__", "__module__", "__annotations__"}
        used: dict[str, int] = {}
        for code in _all_code(module):
            stored = {i.argval for i in dis.get_instructions(code) if i.opname == "STORE_NAME"}
            line = code.co_firstlineno
            for instruction in dis.get_instructions(code):
                line = (instruction.positions.lineno if instruction.positions else None) or line
                if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME") and instruction.argval not in have | stored:
                    used.setdefault(instruction.argval, line)
        return used

    def load(self, namespace: dict[str, Any]) -> Any:
        """Run the source in a namespace and return what it defines there; line numbers are those of the file."""
        exec(self._compile(), namespace)
        return namespace[self.name]

    def _compile(self) -> CodeType:
        tree = ast.increment_lineno(ast.parse(self.text), self.first_line - 1)
        return compile(tree, self.file, "exec", dont_inherit=True)


def piece_of(thing: Any) -> Piece | None:
    """Find the source of a class or function, also in a notebook's cell; None where nothing is known about it."""
    code = _code_of(thing)
    if code is None:
        return None
    linecache.checkcache(code.co_filename)
    lines = linecache.getlines(code.co_filename)
    try:
        body = ast.parse("".join(lines)).body
    except SyntaxError:
        return None
    for node in body:
        if isinstance(node, Definition) and node.name == thing.__name__:
            start = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if start <= code.co_firstlineno <= (node.end_lineno or start):
                return Piece(node.name, "".join(lines[start - 1 : node.end_lineno]), code.co_filename, start)
    return None


def _code_of(thing: Any) -> CodeType | None:
    if hasattr(thing, "__code__"):
        return thing.__code__
    methods = [f for f in vars(thing).values() if hasattr(f, "__code__")]
    own = [f for f in methods if f.__qualname__ == f"{thing.__name__}.{f.__name__}"]
    return own[0].__code__ if own else None


def _all_code(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _all_code(constant)


def load(folder: Path) -> dict[str, Any]:
    """Run my_smorch.py and return the names in it; without the file, only what its beginning has.

    Raises BrokenLibraryError, with the line, when that does not work.
    """
    path = folder / FILE
    text = _text(path)
    namespace: dict[str, Any] = {"__name__": path.stem, "__file__": str(path)}
    try:
        exec(compile(text, str(path), "exec", dont_inherit=True), namespace)
    except SyntaxError as error:
        raise BrokenLibraryError(f"{FILE}, line {error.lineno}: {error.msg}; mend it, or delete the file") from None
    except (Exception, SystemExit) as error:  # the student may have written anything in there
        raise BrokenLibraryError(
            f"{FILE} could not be run: {type(error).__name__}: {error}; mend it, or delete the file"
        ) from None
    return namespace


def keep(folder: Path, piece: Piece) -> None:
    """Write a piece into my_smorch.py, instead of the one with the same name, or at the end.

    Raises BrokenLibraryError when the file cannot be read as Python; it is left alone then.
    """
    path = folder / FILE
    lines = _text(path).splitlines(keepends=True)
    text = piece.text.rstrip() + "\n"
    for node in _definitions("".join(lines)):
        if node.name == piece.name:
            start = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            lines[start - 1 : node.end_lineno] = [text]
            break
    else:
        lines = ["".join(lines).rstrip() + "\n", "\n\n", text]
    write_whole(path, lambda file: file.write("".join(lines).encode()))


def names(folder: Path) -> set[str]:
    """What my_smorch.py defines, without running it.

    Raises BrokenLibraryError when it cannot be read as Python.
    """
    return {node.name for node in _definitions(_text(folder / FILE))}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") if path.exists() else BEGINNING
    except UnicodeDecodeError:
        raise BrokenLibraryError(f"{FILE} is not text in UTF-8; save it as that, or delete the file") from None


def _definitions(text: str) -> list[Definition]:
    try:
        return [node for node in ast.parse(text).body if isinstance(node, Definition)]
    except SyntaxError as error:
        raise BrokenLibraryError(f"{FILE}, line {error.lineno}: {error.msg}; mend it, or delete the file") from None
