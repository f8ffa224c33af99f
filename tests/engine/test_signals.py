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
n.fit(X[:10], X[:10, 0], epochs=1, optimizer=optimizer, seed=0)
def state():
    arrays = [a for W, s in n.snapshot() for a in ([] if W is None else [W], s.values()) for a in a]
    return b"".join(a.tobytes() for a in [*arrays, *optimizer.state.values()])
before = state()
signal.signal(signal.SIGALRM, signal.default_int_handler)
for after in (0.05, 0.4, 0.8):
    signal.setitimer(signal.ITIMER_REAL, after)
    start = time.perf_counter()
    try:
        WORK
        print("done", True)
    except KeyboardInterrupt:
        print(time.perf_counter() - start - after < 3, state() == before)
    signal.setitimer(signal.ITIMER_REAL, 0)
"""


@pytest.mark.parametrize(
    "work",
    [
        "n.predict(np.concatenate([X] * 10))",
        "n.evaluate(np.concatenate([X] * 10), np.zeros(300_000))",
        "n.fit(X, X[:, 0], epochs=1, batch_size=30_000, optimizer=optimizer, seed=0)",
    ],
    ids=["predict", "evaluate", "one large batch"],
)
def test_ctrl_c_is_answered_and_what_was_begun_is_undone(work):
    """Three seconds leave room for a machine that is busy with other tests."""
    words = printed_by(PROGRAM.replace("WORK", work))
    assert np.reshape(words, (3, 2))[:, 0].tolist().count("done") < 3
    assert "False" not in words
