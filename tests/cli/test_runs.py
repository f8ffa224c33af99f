"""`train --checkpoint` and `resume`: a training that was interrupted goes on as if it had not been."""

import json
import os
from pathlib import Path

import pytest

import pysmorch as ps
from pysmorch.training.run import Run
from tests.cli.examples import spoil, write_csv
from tests.helpers import error_of

TRAIN = ["train", "houses.csv", "--target", "price", "--quiet", "--hidden", "8", "--epochs", "9", "--preset", "fast"]


def interrupt_at(monkeypatch, step):
    """Let Ctrl-C be pressed after so many steps, once."""
    train, pressed = Run._take_steps, []

    def run(self, *arguments):
        train(self, *arguments)
        if self.program.num_steps >= step and not pressed:
            pressed.append(1)
            raise KeyboardInterrupt

    monkeypatch.setattr(Run, "_take_steps", run)


def bits_of(path):
    model = ps.load(path)
    return {name: W.tobytes() for name, W in model.network_.parameters.items()}, model.loss_curve_, model.notes_["test"]


OF_SEVERAL = ["--preset", "balanced", "--members", "2", "--threads", "1"]


@pytest.mark.parametrize("options", [["--no-early-stopping"], ["--early-stopping"], [], OF_SEVERAL], ids=str)
@pytest.mark.parametrize("step", [1, 14])
def test_an_interrupted_training_goes_on_to_the_same_bits(run, monkeypatch, options, step):
    write_csv()
    assert run(*TRAIN, *options, "--batch-size", "16", "--out", "whole.safetensors")[0] == 0
    train = [*TRAIN, *options, "--batch-size", "16", "--out", "m.safetensors", "--checkpoint", "run"]
    with monkeypatch.context() as patched:
        interrupt_at(patched, step)
        code, _, err = run(*train)
    assert code == 130
    if not options and step == 1:
        assert err == "pysmorch: error: interrupted before the end of an epoch; pysmorch resume run goes on\n"
    code, _, err = run("resume", "run")
    assert (code, err) == (0, "")
    assert bits_of("m.safetensors") == bits_of("whole.safetensors")
    assert run("resume", "run")[0] == 0  # it is at its end
    assert bits_of("m.safetensors") == bits_of("whole.safetensors")


def test_an_interruption_says_how_to_go_on(run, monkeypatch):
    write_csv()
    interrupt_at(monkeypatch, 10)
    code, _, err = run(*TRAIN, "--no-early-stopping", "--checkpoint", "run")
    assert code == 130
    assert err.endswith("; pysmorch resume run goes on\n")
    assert sorted(os.listdir("run"))[-2:] == ["last.safetensors", "step-000000000.safetensors"]


def test_what_cannot_go_on_is_one_line(run):
    write_csv()
    assert (
        error_of(run("resume", "run")) == "pysmorch: error: run has no run of pysmorch train: there is no such folder"
    )
    os.mkdir("run")
    assert "it was begun in Python, where fit(resume=...) goes on" in error_of(run("resume", "run"))
    spoil("run/command.json", '{"folder": 1}')
    assert "is not the command of a run" in error_of(run("resume", "run"))
    assert "standard input cannot be read a second time" in error_of(
        run("train", "-", "--target", "price", "--checkpoint", "other")
    )
    assert '--every must be a number and a unit such as "5 min"' in error_of(run(*TRAIN, "--every", "5"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", "3"),
        ("epochs", 3.5),
        ("epochs", True),
        ("source", "houses.csv"),
        ("source", [1]),
        ("seed", None),
        ("quiet", 1),
    ],
)
def test_the_options_of_a_stored_command_have_their_types(run, monkeypatch, name, value):
    write_csv()
    interrupt_at(monkeypatch, 1)
    assert run(*TRAIN, "--no-early-stopping", "--checkpoint", "run")[0] == 130
    command = json.loads(Path("run/command.json").read_text())
    assert name in command["options"]
    command["options"][name] = value
    spoil("run/command.json", json.dumps(command))
    assert f"is not the command of a run (its option {name} is {value!r}); begin a new one" in error_of(
        run("resume", "run")
    )


def test_training_goes_on_from_a_model_file(run):
    write_csv()
    assert run(*TRAIN, "--no-early-stopping")[0] == 0
    before = ps.load("model.safetensors")
    more = ["train", "houses.csv", "--target", "price", "--quiet", "--epochs", "2", "--no-early-stopping"]
    assert run(*more, "--start-from", "model.safetensors", "--out", "more.safetensors")[0] == 0
    again = ps.load("more.safetensors")
    assert again.n_iter_ == before.n_iter_ + 2
    assert again.loss_curve_[: before.n_iter_] == before.loss_curve_
    assert not again.warm_start
    assert "--preset is that of the model" in error_of(run(*TRAIN, "--start-from", "model.safetensors"))
    wrong = [*more, "--task", "classification", "--start-from", "none.safetensors"]
    assert "no such file" in error_of(run(*wrong))
