"""Ctrl-C is answered within a second, also within one large batch, and leaves whole steps."""

import sys

import numpy as np
import pytest

from pysmorch.engine.extension import extension
from tests.helpers import printed_by, without_sanitizers

pytestmark = [
    pytest.mark.skipif(extension() is None or sys.platform != "linux", reason="for the native extension, on Linux"),
    without_sanitizers,
]

PROGRAM = """
import signal, time
X = np.ones((30_000, 200), "f4")
layers = ps.batch_norm(ps.mlp(ps.Data(shape=(None, 200)), [1024], 1024, seed=0))
n = ps.Network(ps.SquareLoss(ps.mlp(layers, [1024], 1, seed=0)))
optimizer = ps.Adam(1e-3)
ps.set_num_threads(1)
n.fit(X[:10], X[:10, 0], epochs=1, optimizer=optimizer, seed=0)
def state():
    arrays = [a for W, s in n.snapshot() for a in ([] if W is None else [W], s.values()) for a in a]
    return b"".join(a.tobytes() for a in [*arrays, *optimizer.state.values()])
before = state()
signal.signal(signal.SIGPROF, signal.default_int_handler)
many, labels = np.concatenate([X] * 10), np.zeros(300_000)
for after in (0.05, 0.4, 0.8):
    signal.setitimer(signal.ITIMER_PROF, after)
    start = time.process_time()
    try:
        WORK
        print("done", True)
    except KeyboardInterrupt:
        print(time.process_time() - start - after < 1, state() == before)
    signal.setitimer(signal.ITIMER_PROF, 0)
"""


@pytest.mark.parametrize(
    "work",
    [
        "n.predict(many)",
        "n.evaluate(many, labels)",
        "n.fit(X, X[:, 0], epochs=1, batch_size=30_000, optimizer=optimizer, seed=0)",
    ],
    ids=["predict", "evaluate", "one large batch"],
)
def test_ctrl_c_is_answered_and_what_was_begun_is_undone(work):
    """Time is that of the process, so that a machine that is busy with others changes nothing."""
    words = printed_by(PROGRAM.replace("WORK", work))
    assert np.reshape(words, (3, 2))[:, 0].tolist().count("done") < 3
    assert "False" not in words


OTHERS = """
import signal, time, os
layers = ps.Flatten(ps.Embedding(ps.Data(shape=(None, 50)), 1000, 64))
words = ps.Network(ps.SquareLoss(ps.Linear(layers, 1)))
indices, y = np.random.default_rng(0).integers(0, 1000, (50_000, 50)), np.ones(50_000)
large = ps.Network(ps.SquareLoss(ps.mlp(ps.Data(shape=(None, 4000)), [4000, 2000], 1, seed=0)))
rows = np.random.default_rng(0).standard_normal((100, 4000)).astype("f4")
ps.set_num_threads(1)
os.chdir(FOLDER)
large.save("large.safetensors")
first = open("large.safetensors", "rb").read()
signal.signal(signal.SIGPROF, signal.default_int_handler)
for after in (0.05, 0.4, 0.8):
    signal.setitimer(signal.ITIMER_PROF, after)
    start = time.process_time()
    try:
        WORK
        print("done")
    except KeyboardInterrupt:
        print(time.process_time() - start - after < 1)
    signal.setitimer(signal.ITIMER_PROF, 0)
print(os.listdir() == ["large.safetensors"], open("large.safetensors", "rb").read() == first)
"""


@pytest.mark.parametrize(
    "work",
    [
        'large.save("large.safetensors")',
        'ps.load("large.safetensors")',
        "large.quantize(rows)",
        "words.fit(indices, y, epochs=1, batch_size=50_000, seed=0)",
        'words.fit(indices[:10_000], y[:10_000], epochs=1, batch_size=10_000, seed=0, engine="reference")',
        "words.evaluate(indices, y)",
    ],
    ids=["save", "load", "quantize", "batch of indices", "in NumPy", "evaluate"],
)
def test_ctrl_c_is_answered_in_large_files_and_batches_of_indices(work, tmp_path):
    words = printed_by(OTHERS.replace("WORK", work).replace("FOLDER", repr(str(tmp_path))))
    assert "False" not in words


READING = """
import signal, sys, threading, time
import pyarrow as pa, pyarrow.feather, pyarrow.parquet
from pysmorch.sources import read
def interrupted(work, after):
    begin, pressed, ended = time.process_time(), [], threading.Event()
    def press():
        while time.process_time() - begin < after:
            if ended.wait(0.005):
                return
        pressed.append(time.process_time())
        os.kill(os.getpid(), signal.SIGINT)
    presser = threading.Thread(target=press)
    presser.start()
    try:
        try:
            work()
        finally:
            ended.set()
            presser.join()
        print("done")
    except KeyboardInterrupt:
        print(time.process_time() - pressed[0] < 1)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a process in the background may ignore it
os.chdir(FOLDER)
rng = np.random.default_rng(0)
"""

TABLES = """
texts = [f"word{i} and more words" for i in range(1000)]
if WHAT == "csv":
    with open("csv", "w") as file:
        file.write("a,b\\n" + "".join(f"{text},{i}.25\\n" for i, text in enumerate(texts)) * 3000)
else:
    columns = {"a": texts * 6_000} | {name: rng.standard_normal(6_000_000) for name in "bc"}
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    if WHAT == "parquet":
        pa.parquet.write_table(table, "parquet", row_group_size=len(table))
    else:
        pa.feather.write_feather(table, "arrow", compression="lz4")
for after in (0.05, 0.3):
    interrupted(lambda: read(WHAT), after)
"""

TEXTS = """
rows = pa.table({"a": [" ".join(f"{i:x}" for i in row) for row in rng.integers(0, 30_000, (30_000, 8))]})
estimator = ps.Regressor(hidden=(4,), epochs=1, columns={"a": "text"})
for after in (0.05, 0.6):
    interrupted(lambda: estimator.fit(rows, np.arange(30_000.0)), after)
"""


@pytest.mark.parametrize("what", ["csv", "parquet", "arrow"])
def test_ctrl_c_is_answered_while_a_large_file_is_read(what, tmp_path):
    words = printed_by(READING.replace("FOLDER", repr(str(tmp_path))) + TABLES.replace("WHAT", repr(what)))
    assert "True" in words
    assert "False" not in words


def test_ctrl_c_is_answered_while_texts_are_encoded(tmp_path):
    words = printed_by(READING.replace("FOLDER", repr(str(tmp_path))) + TEXTS)
    assert "True" in words
    assert "False" not in words
