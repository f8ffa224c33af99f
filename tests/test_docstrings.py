"""Every public parameter is documented with its type and its default."""

import inspect
import re

import pytest

import pysmorch as ps
from pysmorch import losses, metrics, optimizers, schedules, training

CLASSES = [
    ps.Network,
    metrics.Metric,
    *(getattr(losses, name) for name in losses.__all__ if name[0].isupper()),
    *(cls for cls in vars(optimizers).values() if inspect.isclass(cls) and issubclass(cls, optimizers.Optimizer)),
    *(cls for cls in vars(schedules).values() if inspect.isclass(cls) and cls.__module__ == schedules.__name__),
    *(value for value in vars(training).values() if inspect.isclass(value) and value is not training.FitOptions),
]
FUNCTIONS = [metrics.as_metric, metrics.as_metrics, optimizers.as_optimizer, schedules.as_schedule, losses.softmax]


def public_methods(cls):
    for name, value in vars(cls).items():
        if inspect.isfunction(value) and not name.startswith("_"):
            inherited = next((vars(base)[name] for base in cls.__mro__[1:] if name in vars(base)), None)
            if inherited is None and name not in vars(schedules.Schedule):  # documented once, by the protocol
                yield value


DOCUMENTED = [
    *(pytest.param(cls, id=cls.__name__) for cls in CLASSES if cls is not schedules.Schedule),
    *(pytest.param(f, id=f.__name__) for f in FUNCTIONS),
    *(pytest.param(m, id=m.__qualname__) for cls in CLASSES for m in public_methods(cls)),
    pytest.param(schedules.Schedule.rate, id="Schedule.rate"),
]


@pytest.mark.parametrize("what", DOCUMENTED)
def test_every_parameter_is_documented_with_its_type_and_default(what):
    section = re.search(r"^ *Parameters\n *-+\n(.*?)(?=^ *\w[\w ]*\n *---|\Z)", what.__doc__ or "", re.M | re.S)
    described = {}
    for line in (section[1] if section else "").splitlines():
        if match := re.match(r" *([\w, ]+) : (.+)", line):
            described |= {name.strip(): match[2] for name in match[1].split(",")}
    for parameter in inspect.signature(what).parameters.values():
        if parameter.name == "self" or (inspect.isclass(what) and issubclass(what, BaseException)):
            continue
        assert parameter.name in described, f"{what.__qualname__} does not document {parameter.name}"
        if parameter.default is not parameter.empty:
            said = described[parameter.name].partition("default=")[2]
            assert said, f"{what.__qualname__} does not document the default of {parameter.name}"
            assert eval(said, {}) == parameter.default, f"{what.__qualname__}: the default of {parameter.name}"


def test_the_metrics_that_fit_names_are_known():
    named = re.findall(r'"(\w+)"', re.search(r"metrics : (.|\n)*?\(", ps.Network.fit.__doc__)[0])
    assert [metrics.as_metric(name).name for name in named] == ["auc", "f1", "top_5"]
