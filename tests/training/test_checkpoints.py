"""A run that is interrupted anywhere goes on to the same bits as one that was not."""

import contextlib
import gc
import json
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

import pysmorch as ps
from pysmorch.engine import has_bf16, interrupts
from pysmorch.engine.extension import extension
from pysmorch.files import ModelFileError, model, tensors, writing
from pysmorch.files.tensors import to_content
from pysmorch.layers.randomness import weights_from
from pysmorch.training.checkpoints import read_run
from pysmorch.training.options import interval
from tests.training.example import X, Y, weights_of

PATHS = [("reference", "float32", "float32"), ("reference", "float64", "float32")]
if extension() is not None:
    PATHS += [("native", "float32", "float32"), ("native", "float64", "float32")]
    PATHS += [("native", "float32", "bf16")] if has_bf16() else []

OPTIMIZERS = {
    "sgd": lambda: ps.SGD(0.1),
    "nesterov": lambda: ps.SGD(ps.Cosine(0.1), momentum=0.9, nesterov=True),
    "adam": lambda: ps.Adam(ps.OneCycle(0.01), clip_norm=1.0),
    "adamw": lambda: ps.AdamW(ps.WarmUp(ps.Step(0.01, every=2))),
    "rmsprop": lambda: ps.RMSprop(0.001, momentum=0.5),
}
OPTIONS = {"epochs": 4, "batch_size": 16, "seed": 3, "validation_data": (X[:50], Y[:50])}


class Broken(Exception):
    """What ends a fit."""


class BreakAt(ps.Callback):
    """Raise at the n-th call within epochs, or at the end of an epoch."""

    def __init__(self, batch=None, epoch=None):
        self.batch, self.epoch, self.calls = batch, epoch, 0

    def on_batch_end(self, training):
        self.calls += 1
        if self.calls == self.batch:
            raise Broken

    def on_epoch_end(self, training):
        if training.epoch == self.epoch:
            raise Broken


def network(seed=1):
    with weights_from(seed):
        rows = ps.Scale(ps.Normalize(ps.Linear(ps.Data(shape=(None, 5)), 16)))
        return ps.Network(ps.CrossEntropy(ps.mlp(ps.Dropout(ps.Relu(ps.Bias(rows)), 0.3), [8], 3)))


def outcome(network, history):
    states = [state.tolist() for layer in network.layers for state in layer.state.values()]
    columns = {name: values for name, values in history.to_dict().items() if name != "seconds"}
    return weights_of(network).tobytes(), states, columns, history.stopped_by


def stopping():
    return ps.EarlyStopping("val_loss", patience=1)


@pytest.mark.parametrize("at", [{"batch": 20}, {"epoch": 2}], ids=str)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("engine", "dtype", "precision"), PATHS)
def test_a_run_that_an_exception_ended_goes_on_to_the_same_bits(tmp_path, engine, dtype, precision, optimizer, at):
    options = OPTIONS | {"engine": engine, "dtype": dtype, "precision": precision}
    make = OPTIMIZERS[optimizer]
    whole = network()
    expected = outcome(whole, whole.fit(X, Y, optimizer=make(), callbacks=[stopping()], **options))
    broken = network()
    callbacks = [BreakAt(**at), stopping()]
    with contextlib.suppress(Broken):
        broken.fit(X, Y, optimizer=make(), callbacks=callbacks, checkpoint=tmp_path / "run", **options)
    again = network(seed=2)
    history = again.fit(
        X, Y, callbacks=[stopping()], validation_data=OPTIONS["validation_data"], resume=tmp_path / "run"
    )
    assert outcome(again, history) == expected


@pytest.mark.parametrize(("engine", "dtype", "precision"), PATHS)
def test_a_run_in_pieces_goes_on_within_an_epoch_to_the_same_bits(tmp_path, engine, dtype, precision):
    options = OPTIONS | {"engine": engine, "dtype": dtype, "precision": precision, "batch_size": 64, "accumulate": 2}
    whole = network()
    expected = outcome(whole, whole.fit(X, Y, **options))
    assert len(X) > 3 * 64
    with contextlib.suppress(Broken):
        network().fit(X, Y, callbacks=[BreakAt(batch=6)], checkpoint=tmp_path / "run", **options)
    run = read_run(tmp_path / "run").run
    assert run["options"]["accumulate"] == 2
    assert run["steps"] % -(-len(X) // 64)  # within an epoch
    again = network(seed=2)
    assert (
        outcome(again, again.fit(X, Y, validation_data=OPTIONS["validation_data"], resume=tmp_path / "run")) == expected
    )


def test_other_pieces_are_refused_where_the_bits_depend_on_them(tmp_path):
    options = OPTIONS | {"engine": "reference", "batch_size": 64, "epochs": 1}
    network().fit(X, Y, checkpoint=tmp_path / "run", accumulate=2, **options)
    with pytest.raises(ValueError, match=r"accumulate is 3, but the run in .* has 2; leave it out"):
        network().fit(X, Y, accumulate=3, resume=tmp_path / "run", **options)


@pytest.mark.skipif(extension() is None, reason="the native extension is not built")
def test_other_pieces_are_taken_where_they_change_the_memory_alone(tmp_path):
    options = OPTIONS | {"batch_size": 64}
    whole = network()
    expected = outcome(whole, whole.fit(X, Y, **options))
    with contextlib.suppress(Broken):
        network().fit(X, Y, callbacks=[BreakAt(batch=6)], checkpoint=tmp_path / "run", **options)
    again = network(seed=2)
    assert outcome(again, again.fit(X, Y, accumulate=2, resume=tmp_path / "run", **options)) == expected


@pytest.mark.parametrize(("engine", "dtype", "precision"), PATHS)
def test_a_run_that_a_signal_ended_within_an_epoch_goes_on_to_the_same_bits(tmp_path, engine, dtype, precision):
    gc.collect()  # so that no signal comes while objects of other tests are finalized, where it would be lost
    rows, labels = np.tile(X, (60, 1)), np.tile(Y, 60)
    epochs = 3 if engine == "reference" else 12  # more than a second on each path
    options = {"epochs": epochs, "batch_size": 8, "seed": 5, "engine": engine, "dtype": dtype, "precision": precision}
    whole = network()
    expected = outcome(whole, whole.fit(rows, labels, **options))
    interrupted, run = network(), tmp_path / "run"
    for pause in (0.3, 0.2, 0.25):
        timer = threading.Timer(pause, signal.raise_signal, [signal.SIGINT])
        timer.start()
        try:
            if run.exists():
                interrupted.fit(rows, labels, resume=run)
            else:
                interrupted.fit(rows, labels, checkpoint=run, **options)
        except KeyboardInterrupt:
            pass
        timer.cancel()
        timer.join()
    again = network(seed=2)
    assert outcome(again, again.fit(rows, labels, resume=run)) == expected


def test_a_process_that_is_killed_loses_nothing_but_what_came_after_its_last_checkpoint(tmp_path):
    code = (
        "import sys; from tests.training.test_checkpoints import *\n"
        "network().fit(X, Y, checkpoint=sys.argv[1], every='1 batch', optimizer='adam', **OPTIONS | {'epochs': 10**6})"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "run")], cwd=os.getcwd()) as process:
        while not (tmp_path / "run" / "best.safetensors").exists():
            assert process.poll() is None
        process.kill()
    saved = ps.load(tmp_path / "run" / "last.safetensors")
    assert saved.predict(X).shape == (200, 3)


@pytest.fixture
def ctrl_c():
    """Ctrl-C raises, also where the tests run in the background of a shell, in which it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("patience", [0.0, 1000.0], ids=["of a large file", "of a small file"])
@pytest.mark.usefixtures("ctrl_c")
def test_a_signal_while_a_checkpoint_is_written_leaves_a_whole_one(tmp_path, monkeypatch, patience):
    """The writing of a large one ends, and the one before stays; a small one is written first."""
    whole, run = network(), tmp_path / "run"
    expected = outcome(whole, whole.fit(X, Y, **OPTIONS))
    flushes = []

    def flush_and_interrupt(file):
        flushes.append(file)
        if len(flushes) == 25:
            signal.raise_signal(signal.SIGINT)

    before = {}

    class Watch(ps.Callback):
        def on_batch_end(self, training):
            before["last"], before["steps"] = (run / "last.safetensors").read_bytes(), training.batch

    monkeypatch.setattr(tensors, "PIECE", 1024)
    monkeypatch.setattr(interrupts, "PATIENCE", patience)
    monkeypatch.setattr(writing.os, "fsync", flush_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        network().fit(X, Y, callbacks=[Watch()], checkpoint=run, every="1 batches", **OPTIONS)
    monkeypatch.undo()
    assert ((run / "last.safetensors").read_bytes() == before["last"]) == (patience == 0.0)
    assert not list(run.glob(".*.tmp"))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    again = network(seed=2)
    history = again.fit(X, Y, callbacks=[Watch()], validation_data=OPTIONS["validation_data"], resume=run)
    assert outcome(again, history) == expected


def test_a_signal_that_would_end_the_process_writes_the_run_first(tmp_path):
    class Terminate(ps.Callback):
        def on_batch_end(self, training):
            if training.epoch == 1:
                signal.raise_signal(signal.SIGTERM)

    with pytest.raises(SystemExit) as raised:
        network().fit(X, Y, checkpoint=tmp_path / "run", callbacks=[Terminate()], **OPTIONS)
    assert raised.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    whole, again = network(), network()
    expected = outcome(whole, whole.fit(X, Y, **OPTIONS))
    assert (
        outcome(again, again.fit(X, Y, validation_data=OPTIONS["validation_data"], resume=tmp_path / "run")) == expected
    )


def test_a_run_that_came_to_its_end_is_not_trained_further(tmp_path):
    first, again = network(), network(seed=2)
    expected = outcome(first, first.fit(X, Y, checkpoint=tmp_path / "run", **OPTIONS))
    assert outcome(again, again.fit(X, Y, resume=tmp_path / "run", **OPTIONS)) == expected


def test_the_best_and_the_last_are_kept_and_a_few_older_ones(tmp_path):
    trained = network()
    history = trained.fit(
        X, Y, checkpoint=tmp_path / "run", every="1 batch", optimizer=ps.SGD(1.5), **OPTIONS | {"epochs": 9}
    )
    names = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert names[:2] == ["best.safetensors", "last.safetensors"]
    assert len(names) == 5
    best = ps.load(tmp_path / "run" / "best.safetensors").evaluate(X[:50], Y[:50])["loss"]
    assert best == min(history["val_loss"])


def test_of_a_last_checkpoint_that_is_damaged_the_one_before_is_taken(tmp_path):
    whole, run = network(), tmp_path / "run"
    expected = outcome(whole, whole.fit(X, Y, **OPTIONS))
    network().fit(X, Y, checkpoint=run, every="1 epoch", **OPTIONS)
    last = run / "last.safetensors"
    last.write_bytes(last.read_bytes()[:-7])
    again = network()
    with pytest.warns(ps.PysmorchWarning, match="damaged .*; the run goes on from .*step-"):
        history = again.fit(X, Y, validation_data=OPTIONS["validation_data"], resume=run)
    assert outcome(again, history) == expected


def test_a_loss_that_is_not_finite_leaves_the_last_checkpoint(tmp_path):
    with pytest.raises(ps.NonFiniteError):
        network().fit(X, Y, checkpoint=tmp_path / "run", optimizer=ps.SGD(1e30), **OPTIONS)
    assert ps.load(tmp_path / "run" / "last.safetensors").predict(X).shape == (200, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 5}, r"epochs is 5, but the run in .* has 4; leave it out"),
        ({"batch_size": 20}, "batch_size is 20"),
        ({"optimizer": "sgd"}, "optimizer is 'sgd'"),
        ({"optimizer": ps.Adam(0.5)}, r"optimizer: Adam\(learning_rate=0.5"),
        ({"dtype": "float64"}, "dtype is 'float64'"),
        ({"seed": 4}, "seed is 4"),
        ({"validation_data": None}, "the run had other data"),
        (
            {"callbacks": [stopping()]},
            "the run had none with a state of their own, in this order; now there are EarlyStopping",
        ),
    ],
)
def test_what_is_not_as_in_the_run_is_refused(tmp_path, changes, message):
    network().fit(X, Y, checkpoint=tmp_path / "run", **OPTIONS)
    with pytest.raises(ValueError, match=message):
        network().fit(X, Y, resume=tmp_path / "run", **OPTIONS | changes)


def test_other_data_and_another_network_are_refused_and_change_nothing(tmp_path):
    network().fit(X, Y, checkpoint=tmp_path / "run", **OPTIONS)
    other = network(seed=2)
    before = weights_of(other).astype(np.float32).tobytes()  # a fit converts them
    with pytest.raises(ValueError, match="the run had other data"):
        other.fit(X + 1, Y, resume=tmp_path / "run", **OPTIONS)
    assert weights_of(other).tobytes() == before
    with pytest.raises(ValueError, match="the run has another network"):
        ps.Network(ps.CrossEntropy(ps.mlp(ps.Data(shape=(None, 5)), [16], 3))).fit(
            X, Y, resume=tmp_path / "run", **OPTIONS
        )


def test_a_folder_without_a_run_and_one_with_a_run_are_told_apart(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint of a run is there"):
        network().fit(X, Y, resume=tmp_path / "run", **OPTIONS)
    network().fit(X, Y, checkpoint=tmp_path / "run", **OPTIONS)
    with pytest.raises(FileExistsError, match="a run is there already; resume="):
        network().fit(X, Y, checkpoint=tmp_path / "run", **OPTIONS)
    for path in (tmp_path / "run").iterdir():
        path.write_bytes(b"damaged")
    with pytest.raises(ModelFileError, match="not a model file, or a damaged one"):
        network().fit(X, Y, resume=tmp_path / "run", **OPTIONS)


@pytest.mark.skipif(os.name != "posix", reason="needs locks on folders")
def test_two_fits_do_not_write_into_one_folder_at_a_time(tmp_path):
    run, refused = tmp_path / "run", []

    def begin_another(training):
        for how in ({"checkpoint": run}, {"resume": run}):
            with pytest.raises(FileExistsError, match="another fit writes its checkpoints there"):
                network().fit(X, Y, **OPTIONS, **how)
            refused.append(how)

    network().fit(X, Y, checkpoint=run, callbacks=[begin_another], **OPTIONS)
    assert len(refused) == 2 * OPTIONS["epochs"]
    network().fit(X, Y, resume=run, **OPTIONS)


def test_a_model_in_the_place_of_a_checkpoint_is_named(tmp_path):
    network().fit(X, Y, checkpoint=tmp_path / "run", every="1 epoch", **OPTIONS)
    network().save(tmp_path / "run" / "last.safetensors")
    with pytest.warns(
        ps.PysmorchWarning, match=r"last.safetensors: a model, but no checkpoint .* goes on from .*step-"
    ):
        network().fit(X, Y, resume=tmp_path / "run", **OPTIONS)


def test_the_state_of_a_callback_of_the_users_is_kept(tmp_path):
    class Counts(ps.Callback):
        count, sums = 0, None

        def on_epoch_end(self, training):
            self.count += 1
            self.sums = np.full(2, float(self.count))

        def get_state(self):
            return {"count": self.count, "sums": self.sums}

        def set_state(self, state):
            self.count, self.sums = state["count"], state["sums"]

    with pytest.raises(Broken):
        network().fit(X, Y, checkpoint=tmp_path / "run", callbacks=[Counts(), BreakAt(epoch=3)], **OPTIONS)
    again = Counts()
    network().fit(X, Y, resume=tmp_path / "run", callbacks=[again], **OPTIONS)
    assert again.count == 4
    np.testing.assert_array_equal(again.sums, [4.0, 4.0])


def test_outputs_are_there_for_callbacks_that_were_not_told_of_an_epoch_before_the_run_ended(tmp_path):
    class Taking(ps.Callback):
        takes_outputs = True

        def __init__(self):
            self.found = []

        def on_epoch_end(self, training):
            self.found.append(training.outputs.tobytes())

    whole, before, after = Taking(), Taking(), Taking()
    network().fit(X, Y, callbacks=[whole], **OPTIONS)
    with pytest.raises(Broken):
        network().fit(X, Y, checkpoint=tmp_path / "run", callbacks=[BreakAt(epoch=2), before], **OPTIONS)
    network().fit(X, Y, resume=tmp_path / "run", callbacks=[after], **OPTIONS)
    assert len(before.found) == 1
    assert before.found + after.found == whole.found


def test_a_state_that_is_no_plain_data_is_an_error_when_the_fit_begins(tmp_path):
    class Odd(ps.Callback):
        def get_state(self):
            return object()

    with pytest.raises(ValueError, match="the state of the callback Odd has a object"):
        network().fit(X, Y, checkpoint=tmp_path / "run", callbacks=[Odd()], **OPTIONS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5 min", (300.0, "s")),
        ("30s", (30.0, "s")),
        ("1.5 h", (5400.0, "s")),
        ("1 epoch", (1.0, "epochs")),
        ("2 epochs", (2.0, "epochs")),
        ("500 batches", (500.0, "batches")),
    ],
)
def test_intervals_are_read(text, expected):
    assert interval(text) == expected


@pytest.mark.parametrize("text", ["", "5", "min", "0 s", "-1 s", "5 years", 5, None])
def test_an_interval_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="every must be a number and a unit"):
        interval(text)


@pytest.mark.parametrize(("preset", "folder"), [("fast", "run"), ("balanced", "run/network-1")])
@pytest.mark.parametrize("rows", [60, 6000])
@pytest.mark.parametrize("make", [ps.Classifier, ps.Regressor])
def test_estimators_go_on_to_the_same_bits(tmp_path, make, rows, preset, folder):
    rng = np.random.default_rng(0)
    table = rng.standard_normal((rows, 4))
    y = (table[:, 0] > 0).astype(int) if make is ps.Classifier else table.sum(axis=1)
    options = {"hidden": (8,), "epochs": 4, "random_state": 0, "dropout": 0.1, "preset": preset}
    whole = make(**options).fit(table, y)
    with pytest.raises(Broken):
        make(**options).fit(table, y, checkpoint=tmp_path / "run", callbacks=[BreakAt(batch=5)])
    again = make(**options).fit(table, y, resume=tmp_path / "run")
    for name, W in whole.network_.parameters.items():
        np.testing.assert_array_equal(again.network_.parameters[name], W)
    assert again.loss_curve_ == whole.loss_curve_
    assert isinstance(ps.load(tmp_path / folder / "best.safetensors"), make)
    with pytest.raises(ValueError, match=r"hidden is \(9,\), but in the run in .* it was \(8,\)"):
        make(**options | {"hidden": (9,)}).fit(table, y, resume=tmp_path / "run")


def test_a_network_is_loaded_with_the_optimizer_that_was_saved_with_it(tmp_path):
    options = {"epochs": 2, "batch_size": 16, "seed": 3}
    trained, optimizer = network(), ps.Adam(ps.Cosine(0.01))
    trained.fit(X, Y, optimizer=optimizer, **options)
    trained.save(tmp_path / "m.safetensors", optimizer=optimizer)
    again = ps.load(tmp_path / "m.safetensors")
    trained.fit(X, Y, optimizer=optimizer, **options)
    again.fit(X, Y, optimizer=again.optimizer, **options)
    assert weights_of(again).tobytes() == weights_of(trained).tobytes()


def with_changes(path, change):
    """Change the header and the arrays of a checkpoint, and make its checksum anew."""
    header, arrays = model.read_parts(path)
    change(header["run"], arrays)
    del header["checksum"]
    header["checksum"] = model._checksum(header, arrays)
    path.write_bytes(bytes(to_content(arrays, {model.METADATA_KEY: json.dumps(header)})))


CHANGES = {
    "negative steps": lambda run, arrays: run.update(steps=-5),
    "steps before the last epoch of the history": lambda run, arrays: run.update(steps=7),
    "steps beyond": lambda run, arrays: run.update(steps=10**6),
    "steps of the optimizer": lambda run, arrays: run.update(optimizer_steps=-1),
    "totals": lambda run, arrays: run.update(totals={"is": "list", "value": ["a", 1, 2, 3]}),
    "history": lambda run, arrays: run["history"].update(loss=5),
    "texts in the history": lambda run, arrays: run["history"].update(loss=["1.0"]),
    "options": lambda run, arrays: run.update(options={}),
    "batch size": lambda run, arrays: run["options"].update(batch_size="x"),
    "optimizer": lambda run, arrays: run["options"].update(optimizer=["adam"]),
    "state of the optimizer": lambda run, arrays: arrays.update({"optimizer.mean": np.zeros(2, np.float32)}),
    "dtype of the optimizer": lambda run, arrays: arrays.update(
        {"optimizer.mean": arrays["optimizer.mean"].astype(np.int32)}
    ),
    "no number": lambda run, arrays: arrays.update({"optimizer.mean": arrays["optimizer.mean"] * np.float32("nan")}),
    "callback": lambda run, arrays: run["callbacks"][0].update(state=5),
    "best epoch": lambda run, arrays: run["callbacks"][0]["state"]["value"][0].__setitem__(1, "x"),
    "best weights": lambda run, arrays: run["callbacks"][0]["state"]["value"][2].__setitem__(1, [[5]]),
    "instructions": lambda run, arrays: run.update(instructions=5),
    "finished": lambda run, arrays: run.update(finished="no"),
    "best": lambda run, arrays: run.update(best={"epoch": "x", "value": "y"}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_a_checkpoint_with_another_state_is_one_error_that_names_it(tmp_path, change, engine):
    X, y = np.random.default_rng(0).standard_normal((30, 3)), np.arange(30) % 2

    def fit(**options):
        network = ps.Network(ps.CrossEntropy(ps.mlp(ps.Data(shape=(None, 3)), [4], 2, seed=0)))
        stopping = ps.EarlyStopping("loss", patience=50)
        return network.fit(X, y, batch_size=8, callbacks=[stopping], progress=False, engine=engine, **options)

    fit(epochs=2, seed=0, checkpoint=tmp_path / "run")
    with_changes(tmp_path / "run" / "last.safetensors", change)
    with pytest.raises(ValueError, match=r"."):
        fit(resume=tmp_path / "run")
