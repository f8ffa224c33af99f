"""Runs the C and Python files of models."""

import csv
import io
import shutil
import subprocess

import numpy as np
import pytest

from tests.helpers import PLAIN_ENVIRONMENT

COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
SANITIZED = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g"]

needs_compiler = pytest.mark.skipif(not COMPILERS, reason="there is no gcc and no clang")


def compile_c(path, *flags, compiler=None):
    """Compile a C file without a warning, and return the program."""
    program = path.with_suffix(f".{compiler or 'cc'}.out")
    command = [
        compiler or COMPILERS[0],
        *STRICT,
        "-O1",
        "-DPYSMORCH_MAIN",
        *flags,
        str(path),
        "-o",
        str(program),
        "-lm",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:3000]
    assert done.stderr == ""
    return program


def run_program(program, text):
    """Return the names and the cells that a program prints for the text of a CSV file."""
    done = subprocess.run(
        [program] if isinstance(program, str) else program,
        input=text.encode(),
        capture_output=True,
        env=PLAIN_ENVIRONMENT,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    names, *rows = csv.reader(io.StringIO(done.stdout.decode()))
    return names, rows


def run_c(path, text, *flags, compiler=None):
    """Compile a C file with sanitizers, and return what it prints."""
    return run_program([str(compile_c(path, *(flags or SANITIZED), compiler=compiler))], text)


def load_python(path):
    """Return the names that a Python file defines."""
    names = {"__name__": "model"}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), names)
    return names


def numbers_as_csv(rows):
    """Return rows of numbers as a CSV file without a header; what is missing is empty."""
    rows = np.asarray(rows).reshape(len(rows), -1)
    return "".join(",".join("" if np.isnan(x) else repr(float(x)) for x in row) + "\n" for row in rows)


def as_numbers(rows):
    return np.array([[float(cell) for cell in row] for row in rows])
