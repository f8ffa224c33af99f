"""Imports go down only and make no circle, and importing the package stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pysmorch

PACKAGE = Path(pysmorch.__file__).parent
LEVELS = [
    {"version", "warnings", "memory", "missing", "web"},
    {"layers"},
    {"losses", "metrics", "schedules", "optimizers", "models", "entries"},
    {"engine", "cluster", "export", "gradcheck", "diagram", "files", "sources"},
    {"encoders", "training", "summary", "start"},
    {"network"},
    {"explaining", "importing", "reporting"},
    {"prediction"},
    {"estimators", "plots", "teach"},
    {"batches", "loaded", "loading", "advice", "many", "tuning", "playground", "serving", "tracking"},
    {"cli"},
]
"""From the bottom to the top; a module may import from its own level and those below."""

MODULES = {
    ".".join(["pysmorch", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
EXCEPTIONS: set[tuple[str, str]] = set()
"""Imports inside functions, by name, that go up or close a circle; there is no reason for another one."""


def level_of(part):
    return next(i for i, names in enumerate(LEVELS) if part in names)


def goes_up(name, imported):
    return "." in imported and level_of(imported.split(".")[1]) > level_of(name.split(".")[1])


def imports_of(path):
    """Modules of pysmorch that a file imports, inside functions too, but not what only type checkers read."""
    todo = list(ast.parse(path.read_text()).body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            todo.extend(node.orelse)
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "pysmorch":
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield submodule if submodule in MODULES else node.module
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("pysmorch."))
        todo.extend(ast.iter_child_nodes(node))


def packages_of(name):
    """The packages that a module lies in, which are loaded with it, besides the library itself."""
    parts = name.split(".")
    return {".".join(parts[:count]) for count in range(2, len(parts))}


def graph_of_imports():
    """Which file imports which, imports inside functions included; the list of public names is no user of its names."""
    graph = {}
    for name, path in MODULES.items():
        if name != "pysmorch":
            imported = {other for other in imports_of(path) if other in MODULES}
            loaded = imported.union(*map(packages_of, imported)) - packages_of(name)
            graph[name] = loaded - {name, "pysmorch"}
    return graph


def circles(imports):
    """Return the sets of modules that reach each other."""
    reached = {}
    for start in imports:
        seen, todo = set(), [start]
        while todo:
            for other in imports.get(todo.pop(), ()):
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        reached[start] = seen
    found = {frozenset(b for b in reached[a] if a in reached.get(b, ())) for a in reached if a in reached[a]}
    return [sorted(circle) for circle in sorted(found, key=sorted)]


@pytest.mark.parametrize("name", [name for name in MODULES if "." in name and not name.endswith("__main__")])
def test_imports_go_down_only(name):
    for imported in imports_of(MODULES[name]):
        assert not goes_up(name, imported) or (name, imported) in EXCEPTIONS, f"{name} imports {imported}, above it"


def test_no_files_import_each_other_in_a_circle():
    imports = {
        name: {other for other in others if (name, other) not in EXCEPTIONS}
        for name, others in graph_of_imports().items()
    }
    assert circles(imports) == []


def test_every_exception_is_needed():
    imports = graph_of_imports()
    together = circles(imports)
    for name, other in EXCEPTIONS:
        assert other in imports[name], f"{name} no longer imports {other}: strike it off the exceptions"
        closes = any({name, other} <= set(circle) for circle in together)
        assert closes or goes_up(name, other), f"{name} may import {other}: strike it off the exceptions"


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []


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


def test_tests_lie_in_folders_as_what_they_test():
    tests = Path(__file__).parent
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert packages <= {path.parent.name for path in tests.glob("*/__init__.py")}
