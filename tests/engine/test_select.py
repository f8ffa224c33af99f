import logging

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import engine
from pysmorch.cli.doctor import findings
from pysmorch.engine import Dataset, make_program, select
from pysmorch.engine import extension as extensions
from pysmorch.engine.extension import extension

needs_extension = pytest.mark.skipif(extension() is None, reason="the native extension is not built")


class Own(ps.Adam):
    """An optimizer that the extension does not know."""


def made(optimizer=None, **options):
    network = ps.Network(ps.SquareLoss(ps.mlp(ps.Data(shape=(None, 3)), [4], 1, seed=0)))
    data = Dataset.checked(network.inputs, network.loss, np.ones((5, 3)), np.ones(5), None, "X")
    choice = {"engine": "auto", "dtype": "float32", "precision": "float32", "threads": 1} | options
    return make_program(network.loss, optimizer or ps.SGD(), data, 0, **choice)


@needs_extension
def test_the_native_program_is_taken_where_it_can_run_the_network():
    assert type(made()) is engine.NativeProgram
    assert type(made(engine="native", dtype="float64")) is engine.NativeProgram
    assert type(made(engine="reference")) is engine.ReferenceProgram
    assert type(made(Own())) is engine.ReferenceProgram


def test_no_program_is_a_kind_of_the_other():
    assert not issubclass(engine.NativeProgram, engine.ReferenceProgram)


@needs_extension
def test_both_programs_have_what_the_protocol_says():
    wanted = {name for name in vars(engine.Program) if not name.startswith("_")} | set(engine.Program.__annotations__)
    for program in (made(), made(engine="reference")):
        assert wanted <= set(dir(program))
        assert program.parameters.shape == program.gradients.shape == (21,)


@needs_extension
def test_reasons_against_the_native_program_are_given_once_or_with_the_error(caplog, monkeypatch):
    monkeypatch.setattr(select, "_reported", set())
    with caplog.at_level(logging.WARNING, logger="pysmorch"):
        made(Own())
        made(Own())
        made(Own(), engine="reference")
    assert [r.getMessage() for r in caplog.records] == [
        "training on the reference path, which is slower: Own has no native form"
    ]
    with pytest.raises(ValueError, match='engine="native" is not possible: Own has no native form'):
        made(Own(), engine="native")


def test_without_a_compiled_engine_training_and_the_doctor_say_once_what_is_slower_and_what_to_do(caplog, monkeypatch):
    monkeypatch.setattr(extensions, "_build", lambda wanted: None)
    monkeypatch.setattr(select, "_reported", set())
    with caplog.at_level(logging.WARNING, logger="pysmorch"):
        for _ in range(2):
            ps.Classifier(hidden=(4,), epochs=1).fit(np.eye(20), np.arange(20) % 2)
    advice = "the native extension is not built; install a C++ compiler, then PySmorch again"
    assert [r.getMessage() for r in caplog.records] == [f"training on the reference path, which is slower: {advice}"]
    assert findings()["would run"] == f"the reference path: NumPy, layer by layer, which is slower ({advice})"


@pytest.mark.parametrize("argument", ["engine", "dtype", "precision"])
def test_an_unknown_choice_is_answered_with_the_choices(argument):
    with pytest.raises(ValueError, match=f'{argument} must be ".*" or ".*", but is \'half\''):
        engine.check_choice(argument, "half")
