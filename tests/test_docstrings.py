"""Every public name is documented in numpydoc's sections: parameters with type and default, results and errors."""

import ast
import inspect
import re
import textwrap

import pytest

import pysmorch as ps
from pysmorch import estimators, gradcheck, losses, metrics, models, optimizers, plots, schedules, teach, training

SAID_BY_THE_CALLER = {"FitOptions", "evaluate", "fit"}
"""Names of `training` that `Network.fit` and `Network.evaluate` document."""


def own_names(module):
    return [name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]


def public_objects():
    """Return the public classes and functions by name, each once."""
    places = [(ps, ps.__all__), (teach, teach.__all__), (plots, plots.__all__), (losses, losses.__all__)]
    places += [(module, own_names(module)) for module in (metrics, models, schedules)]
    places += [(module, module.__all__) for module in (optimizers, gradcheck, estimators)]
    places += [(training, set(training.__all__) - SAID_BY_THE_CALLER)]
    found = {}
    for module, names in places:
        for name in sorted(names):
            value = getattr(module, name)
            if not name.startswith("_") and (inspect.isclass(value) or inspect.isfunction(value)):
                found.setdefault(value, name)
    return {name: value for value, name in found.items()}


def methods_of(cls):
    """Return the public methods that a class defines; those that a base class documents are documented there."""
    for name, value in vars(cls).items():
        function = getattr(value, "__func__", value)
        if inspect.isfunction(function) and not name.startswith("_"):
            documented = [base for base in (*cls.__mro__[1:], schedules.Schedule) if name in vars(base)]
            if not documented or cls is schedules.Schedule:
                yield function


PUBLIC = public_objects()
BASES = [base for cls in PUBLIC.values() if inspect.isclass(cls) for base in cls.__mro__]
CLASSES = [cls for cls in dict.fromkeys(BASES) if cls.__module__.startswith("pysmorch") and not hasattr(cls, "_fields")]
METHODS = {m.__qualname__: m for cls in CLASSES for m in methods_of(cls)}
CALLABLES = {
    name: value
    for name, value in PUBLIC.items()
    if value is not schedules.Schedule and not (inspect.isclass(value) and issubclass(value, BaseException))
} | METHODS


def section(what, title):
    """Return the text of a section of a docstring; empty where there is none."""
    found = re.search(rf"^ *{title}\n *-+\n(.*?)(?=^ *\w[\w ]*\n *---|\Z)", what.__doc__ or "", re.M | re.S)
    return found[1] if found else ""


def described_in(text):
    described = {}
    for line in text.splitlines():
        if match := re.match(r" *\*{0,2}([\w, *]+) : (.+)", line):
            described |= {name.strip(" *"): match[2] for name in match[1].split(",")}
    return described


@pytest.mark.parametrize("name", CALLABLES)
def test_every_parameter_is_documented_with_its_type_and_default(name):
    what = CALLABLES[name]
    described = described_in(section(what, "Parameters"))
    for parameter in inspect.signature(what).parameters.values():
        if parameter.name in ("self", "cls") and "." in name:
            continue
        assert parameter.name in described, f"{name} does not document {parameter.name}"
        if parameter.default is not parameter.empty:
            said = described[parameter.name].partition("default=")[2]
            assert said, f"{name} does not document the default of {parameter.name}"
            default = parameter.default
            if type(default).__name__ == "_HAS_DEFAULT_FACTORY_CLASS":  # of a dataclass
                default = inspect.getattr_static(what, "__dataclass_fields__")[parameter.name].default_factory()
            assert eval(said, dict(vars(ps))) == default, f"{name}: the default of {parameter.name}"


@pytest.mark.parametrize("name", CALLABLES)
def test_every_documented_parameter_exists(name):
    described = described_in(section(CALLABLES[name], "Parameters"))
    assert set(described) <= set(inspect.signature(CALLABLES[name]).parameters)


def is_result(annotation):
    return annotation not in (None, "None", inspect.Signature.empty)


@pytest.mark.parametrize(
    "name",
    [n for n, f in CALLABLES.items() if inspect.isfunction(f) and is_result(inspect.signature(f).return_annotation)],
)
def test_every_result_is_documented(name):
    assert section(CALLABLES[name], "(Returns|Yields)"), f"{name} does not document what it returns"


def errors_of(what):
    """Return the names of the errors that a function raises, or the constructor of a class."""
    function = what.__init__ if inspect.isclass(what) else inspect.unwrap(what)
    if not inspect.isfunction(function) or function.__module__.partition(".")[0] != "pysmorch":
        return set()
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except OSError:  # of a dataclass
        return set()
    raised = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc is not None]
    names = {error.func.id for error in raised if isinstance(error, ast.Call) and isinstance(error.func, ast.Name)}
    return names - {"NotImplementedError"}


@pytest.mark.parametrize("name", CALLABLES)
def test_every_error_that_is_raised_is_documented(name):
    documented = section(CALLABLES[name], "Raises")
    for error in errors_of(CALLABLES[name]):
        assert re.search(rf"\b{error}\b", documented), f"{name} raises {error}, which its docstring does not say"


@pytest.mark.parametrize(
    "cls", [cls for cls in CLASSES if not cls.__name__.startswith("_")], ids=lambda cls: cls.__name__
)
def test_every_property_says_what_it_is(cls):
    for name, value in vars(cls).items():
        if isinstance(value, property) and not name.startswith("_"):
            assert value.__doc__, f"{cls.__name__}.{name} has no docstring"


def test_the_metrics_that_fit_names_are_known():
    named = re.findall(r'"(\w+)"', re.search(r"metrics : (.|\n)*?\(", ps.Network.fit.__doc__)[0])
    assert [metrics.as_metric(name).name for name in named] == ["auc", "f1", "top_5"]
