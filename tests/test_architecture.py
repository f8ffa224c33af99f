"""Imports go down only, and importing the package stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pysmorch

PACKAGE = Path(pysmorch.__file__).parent
LEVELS = [
    {"version"},
    {"layers"},
    {"losses", "schedules", "optimizers", "models", "entries"},
    {"engine", "gradcheck", "diagram", "files", "sources"},
    {"encoders", "training", "progress"},
    {"network"},
    {"estimators", "plots", "teach"},
    {"loading"},
    {"cli"},
]
"""From the bottom to the top; a module may import from its own level and those below."""


def level_of(part):
    return next(i for i, names in enumerate(LEVELS) if part in names)


def imports_at_load(path):
    """Names of pysmorch's parts that are imported when the module is loaded, not inside functions."""
    todo = list(ast.parse(path.read_text()).body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "pysmorch":
            yield from [node.module.split(".")[1]] if "." in node.module else [alias.name for alias in node.names]
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("pysmorch."))
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            todo.extend(ast.iter_child_nodes(node))


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down_only(path):
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if part in ("__init__", "__main__"):
        return
    for imported in imports_at_load(path):
        if imported not in ("__version__",):
            assert level_of(imported) <= level_of(part), f"{part} imports {imported}, which is above it"


def test_importing_the_package_loads_numpy_and_no_other_library():
    code = "import sys, pysmorch; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = set(
        [
            "PIL",
            "matplotlib",
            "scipy",
            "sklearn",
            "pyarrow",
            "narwhals",
            "rich",
            "typer",
            "safetensors",
            "pandas",
            "click",
        ]
    )
    assert "numpy" in loaded
    assert not heavy & set(loaded)
