"""The process in which a student's file runs: it reads the file, tries its classes and reports each result at once.

It is started by `isolation`. Reports go through a pipe of their own: what used to be standard output is saved under
another number, and standard output becomes what standard error is, which the parent reads as text and nothing else.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NoReturn

import numpy as np

from pysmorch.teach.attempt import explain_error
from pysmorch.teach.checks import Trial
from pysmorch.teach.grade_report import Result, clean, shorten
from pysmorch.teach.grading import KNOWN, calm, run_trial
from pysmorch.teach.trials import trials_of

MAX_FILE_SIZE = 64 * 2**20
"""How many bytes of a file may be written."""


PIPE_CLOSED = 113
"""Exit code of a process whose pipe has been closed by the file."""


class Reporter:
    """Writes messages into the pipe to the parent, each with the word that the parent has given."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.process = os.getpid()
        self.descriptor = os.dup(1)
        os.dup2(2, 1)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    def send(self, event: str, **content: Any) -> None:
        """Write a message; a copy of the process that a student's code has made ends here."""
        if os.getpid() != self.process:
            os._exit(0)
        line = json.dumps({"token": self.token, "event": event, **content})
        data = f"\n{line}\n".encode()  # on a line of its own, also after what others have written
        try:
            while data:
                data = data[os.write(self.descriptor, data) :]
        except OSError:
            os._exit(PIPE_CLOSED)

    def refuse(self, replaced: str) -> NoReturn:
        """Report that a name was replaced, and end."""
        self.send("tampered", what=replaced)
        os._exit(0)


class Seal:
    """Copies of the functions of the grader, of NumPy and of Python, to detect whether a file has replaced one of them."""

    def __init__(self) -> None:
        self.saved = {owner: dict(vars(owner)) for owner in self._owners()}

    @staticmethod
    def _owners() -> list[Any]:
        ours = [
            module for name, module in sys.modules.items() if name.startswith(("pysmorch.teach", "pysmorch.gradcheck"))
        ]
        classes = [c for m in ours for c in vars(m).values() if inspect.isclass(c) and c.__module__ == m.__name__]
        return [*ours, *classes, np, builtins]

    def broken(self) -> str:
        """Return the first name that stands for something else now; Python's own are put back, as reports need them."""
        for owner, saved in self.saved.items():
            now = vars(owner)
            for name, value in saved.items():
                if now.get(name) is not value:
                    vars(builtins).update(self.saved[builtins])
                    return f"{owner.__name__}.{name}"
        return ""


def main() -> None:
    """Run the commands of the line on standard input."""
    job = json.loads(sys.stdin.buffer.readline())
    reporter = Reporter(job["token"])
    reporter.send("ready", limited=limit(job["memory"], job["timeout"]))
    seal = Seal()
    module, problem, printed = load(Path(job["path"]))
    replaced = seal.broken()
    classes = known_classes(module, job["only"])
    trials = {name: trials_of(name, cls) for name, cls in classes.items()}
    planned = {name: [(t.name, t.part, t.points) for t in row] for name, row in trials.items()}
    reporter.send("loaded", problem=problem, printed=printed, planned=planned)
    if replaced:
        reporter.refuse(replaced)
    done = {tuple(pair) for pair in job["done"]}
    for name, row in trials.items():
        for trial in row:
            if (name, trial.name) in done:
                continue
            reporter.send("begin", cls=name, trial=trial.name)
            result, printed = _run(trial, classes[name])
            if replaced := seal.broken():
                reporter.refuse(replaced)
            reporter.send("result", cls=name, result=asdict(result), printed=printed)
    reporter.send("end")
    os._exit(0)  # threads and functions for the end of the program are the student's, and may never come to theirs


def _run(trial: Trial, cls: Any) -> tuple[Result, str]:
    try:
        return run_trial(trial, cls)
    except KeyboardInterrupt as error:  # nobody can press a key here
        cause, hint = explain_error("A pass", error)
        return Result(trial.name, trial.part, False, 0, trial.points, cause, "", hint), ""


def limit(memory: int, timeout: float) -> bool:
    """Limit this process; return whether its memory is limited too, which not every system can do."""
    try:
        import resource
    except ImportError:
        return False
    seconds = int(timeout) + 10  # should the parent be killed, the system ends an endless loop
    limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: MAX_FILE_SIZE, resource.RLIMIT_CPU: seconds}
    if sys.platform != "darwin":  # which takes a limit of memory and does not keep it
        limits[resource.RLIMIT_AS] = memory
    for kind, value in limits.items():
        hard = resource.getrlimit(kind)[1]
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (allowed, allowed))
    return resource.RLIMIT_AS in limits


def load(path: Path) -> tuple[ModuleType, str, str]:
    """Run a student's file, statement by statement; return its module, what went wrong first, and what it printed.

    A statement that fails (a test at the end of a cell, a picture from the network) does not keep the classes below it
    from being graded.
    """
    module = ModuleType(f"graded_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    sys.path.insert(0, str(path.parent))
    sys.argv = [str(path)]
    problems: list[str] = []
    with calm() as printed:
        try:
            statements = _statements(path)
        except BaseException as error:  # a student's mistake, not ours
            problems.append(_explain(error))
            statements = []
        for i, code in enumerate(statements):
            try:
                exec(code, vars(module))
            except BaseException as error:
                problems.append(_explain(error))
                if not isinstance(error, Exception):  # sys.exit, for one, is meant to end the file
                    break
                if not problems[1:] and i + 1 < len(statements):
                    problems[0] += " The rest was run all the same."
    return module, clean("".join(problems[:1])), shorten(clean(printed.text))


def _statements(path: Path) -> list[CodeType]:
    """Compile each statement of a file by itself, under the same imports from __future__."""
    body = ast.parse(path.read_bytes(), str(path)).body
    future = [node for node in body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    return [compile(ast.Module([*future, node], []), str(path), "exec", dont_inherit=True) for node in body]


def _explain(error: BaseException) -> str:
    cause, hint = explain_error("The file", error)
    if isinstance(error, ModuleNotFoundError):
        hint = f"Put {error.name}.py beside the file, install {error.name}, or leave the line out."
    return f"{cause} {hint}".strip()


def known_classes(module: ModuleType, only: list[str] | None) -> dict[str, Any]:
    """Return what a file defines under a name that is known, in its order."""
    return {
        name: value
        for name, value in vars(module).items()
        if name in (KNOWN if only is None else only)
        and (inspect.isclass(value) or inspect.isfunction(value))
        and _module_of(value) == module.__name__
    }


def _module_of(value: Any) -> str:
    """The module that defines something; a metaclass may raise an error for it."""
    try:
        return str(value.__module__)
    except Exception:
        return ""
