"""Finding submissions: files and notebooks, alone or in folders, and the name of the student for each."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

ENDINGS = (".py", ".ipynb")
"""How the names of files end that are graded."""

STORE_NAME = "pysmorch-grades.jsonl"
"""The file in a folder of submissions in which their results are stored."""

_SKIPPED = re.compile(rf"[._].*|__MACOSX|{re.escape(STORE_NAME)}")
"""Folders and files of tools: .git, .ipynb_checkpoints, __pycache__, __MACOSX, and results."""


@dataclass(frozen=True)
class Submission:
    """What one student has handed in.

    Parameters
    ----------
    name : str
        Who or what it is; no two submissions of a class have the same name.
    path : Path
        The file, or the student's folder where it has none that can be graded.
    problem : str, default=""
        A sentence on why there is nothing to grade; empty where there is.
    """

    name: str
    path: Path
    problem: str = ""


@dataclass
class Found:
    """The submissions that were found.

    Parameters
    ----------
    submissions : list of Submission, default=[]
        In the order of their names within a folder.
    left_out : list of Path, default=[]
        Files that are neither Python nor notebooks.
    duplicates : dict of str to list of str, default={}
        Names that several submissions had, and the paths that they became.
    """

    submissions: list[Submission] = field(default_factory=list)
    left_out: list[Path] = field(default_factory=list)
    duplicates: dict[str, list[str]] = field(default_factory=dict)


def find_submissions(
    paths: Sequence[str | Path], names: Collection[str], helpers: Collection[str] = (), one_student: bool = False
) -> Found:
    """Find the submissions in files and folders.

    In a folder each file and each folder is a student. A student's folder may have folders of its own; of several files in it
    those are graded that define one of the classes, or all where none does.

    Parameters
    ----------
    paths : sequence of str or Path
        Python files, notebooks and folders of them.
    names : collection of str
        Names of the classes that are graded.
    helpers : collection of str, default=()
        Names of files that submissions may import, and that are none themselves.
    one_student : bool, default=False
        Whether a folder is that of one student, and not that of a class.

    Returns
    -------
    Found
        Each file once.

    Raises
    ------
    FileNotFoundError
        For a path where there is nothing.
    ValueError
        For another kind of file, and for a folder without submissions.
    """
    found = Found()
    defines = re.compile(rf"^\s*(?:class|def)\s+(?:{'|'.join(map(re.escape, names))})\b".encode(), re.MULTILINE)
    for path in map(Path, paths):
        if path.is_dir() and one_student:
            found.submissions += _of_student(path.resolve(), defines, helpers)
        elif path.is_dir():
            _add_folder(found, path, defines, helpers)
        elif not path.exists():
            raise FileNotFoundError(2, "no such file or folder", str(path))
        elif path.suffix.lower() not in ENDINGS:
            raise ValueError(f"{path}: neither a Python file nor a notebook (its name must end in .py or .ipynb)")
        else:
            found.submissions.append(Submission(path.stem, path))
    _make_unique(found)
    return found


def _add_folder(found: Found, folder: Path, defines: re.Pattern[bytes], helpers: Collection[str]) -> None:
    added: list[Submission] = []
    for path in sorted(folder.iterdir()):
        if _SKIPPED.fullmatch(path.name) or path.name in helpers:
            continue
        if path.is_dir():
            added += _of_student(path, defines, helpers)
        elif path.suffix.lower() in ENDINGS:
            added.append(Submission(path.stem, path))
        else:
            found.left_out.append(path)
    if all(submission.problem for submission in added):
        raise ValueError(
            f"{folder} has no submissions: neither it nor a folder in it has a file that ends in .py or .ipynb; "
            "name the folder that has them"
        )
    found.submissions += added


def _of_student(folder: Path, defines: re.Pattern[bytes], helpers: Collection[str]) -> list[Submission]:
    files = sorted(_files_in(folder))
    graded = [file for file in files if file.suffix.lower() in ENDINGS and file.name not in helpers]
    if len(graded) > 1:
        graded = [file for file in graded if _has(file, defines)] or graded
    if not graded:
        others = ", ".join(str(file.relative_to(folder)) for file in files[:3])
        problem = f"The folder has no file that ends in .py or .ipynb{f', only {others}' if others else ''}."
        return [Submission(folder.name, folder, problem)]
    return [Submission(folder.name if len(graded) == 1 else f"{folder.name}/{file.stem}", file) for file in graded]


def _files_in(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if _SKIPPED.fullmatch(path.name):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _files_in(path)
        elif path.is_file():
            yield path


def _has(file: Path, defines: re.Pattern[bytes]) -> bool:
    """Whether a file defines one of the classes; in a notebook lines are strings of JSON."""
    try:
        content = file.read_bytes()
    except OSError:
        return False
    if file.suffix.lower() == ".ipynb":
        content = content.replace(b'"', b"\n").replace(b"\\n", b"\n")
    return defines.search(content) is not None


def _make_unique(found: Found) -> None:
    """Leave each file only once, and name those by their paths that would have the same name."""
    by_file = {submission.path.resolve(): submission for submission in reversed(found.submissions)}
    unique = list(reversed(by_file.values()))
    paths = defaultdict(list)
    for submission in unique:
        paths[submission.name].append(str(submission.path))
    found.duplicates = {name: same for name, same in paths.items() if len(same) > 1}
    found.submissions = [
        replace(submission, name=str(submission.path)) if submission.name in found.duplicates else submission
        for submission in unique
    ]
