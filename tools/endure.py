"""Do the same very often: `tools/endure.py --count 100000 --seed 0`.

Eight threads make so many single predictions each, on both paths, with Dropout and Normalize: all have to be what one thread predicts,
and the model what it was. Processes are forked while threads predict and train (a five-hundredth of the count), and have to predict,
train and end. The memory of the process must not grow over fits and loads (a fiftieth of the count) and predictions.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from campaign import OwnLayer, parser_of

import pysmorch as ps
from pysmorch.layers.randomness import weights_from

THREADS = 8
SECONDS = 60.0
GROWTH = 4 * 2**20
"""Bytes that the process may take more at the end than after a tenth of the work."""


def network(own: bool, seed: int) -> ps.Network:
    """Return a trained network for one of the paths."""
    with weights_from(seed):
        rows = ps.Dropout(ps.Normalize(ps.Linear(ps.Data(shape=(None, 6)), 8)), 0.5)
        made = ps.Network(ps.CrossEntropy(ps.mlp(OwnLayer(rows) if own else rows, [8], 3)))
    made.fit(*data(seed), epochs=2, seed=seed)
    return made


def data(seed: int) -> tuple[Any, Any]:
    """Return rows and labels."""
    return np.random.default_rng(seed).standard_normal((64, 6)).astype(np.float32), np.arange(64) % 3


def hash_of(model: ps.Network) -> str:
    """Return a digest of all that a network is."""
    digest = hashlib.sha256(repr([layer.training for layer in model.layers]).encode())
    for W, state in model.snapshot():
        for array in [*([] if W is None else [W]), *state.values()]:
            digest.update(array.tobytes())
    return digest.hexdigest()


def threads(own: bool, count: int, seed: int) -> int:
    """Predict in threads; return how many predictions were wrong."""
    model, (X, _) = network(own, seed), data(seed)
    expected, before = [model.predict(X[i : i + 1]) for i in range(THREADS)], hash_of(model)

    def work(i: int) -> int:
        row = X[i : i + 1]
        return sum(not np.array_equal(model.predict(row), expected[i]) for _ in range(count))

    start = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        wrong = sum(pool.map(work, range(THREADS)))
    same = hash_of(model) == before
    print(
        f"{THREADS} threads with {count} predictions each, {'reference' if own else 'native'} path: {wrong} wrong, the model is "
        f"{'the same' if same else 'another one'}, {time.perf_counter() - start:.0f} s",
        flush=True,
    )
    return wrong + (not same)


def forks(count: int, seed: int) -> int:
    """Fork while threads predict and train; return how many children did not end well."""
    models = [network(own, seed) for own in (False, True)]
    X, y = data(seed)
    stop, bad = threading.Event(), 0

    def predict(model: ps.Network) -> None:
        while not stop.is_set():
            model.predict(X)

    def train(own: bool) -> None:
        network(own, seed).fit(X, y, epochs=10**9, callbacks=[lambda t: t.stop("enough") if stop.is_set() else None])

    working = [threading.Thread(target=predict, args=(model,)) for model in models]
    working += [threading.Thread(target=train, args=(own,)) for own in (False, True)]
    for thread in working:
        thread.start()
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            finite = all(np.isfinite(model.predict(X)).all() for model in models)
            for model in models:
                model.fit(X, y, epochs=1)
            os._exit(0 if finite else 1)
        end = time.monotonic() + SECONDS
        while not (done := os.waitpid(pid, os.WNOHANG))[0] and time.monotonic() < end:
            time.sleep(0.005)
        if not done[0]:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
        bad += not done[0] or done[1] != 0
    stop.set()
    for thread in working:
        thread.join()
    print(f"{count} forks while 4 threads predict and train: {bad} children hung or failed", flush=True)
    return bad


def memory() -> int:
    """Return the bytes of memory that the process has now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def grows(what: str, count: int, do: Callable[[], Any]) -> bool:
    """Do something very often; return whether the process took more and more memory."""
    after = []
    for i in range(count):
        do()
        if i in (count // 10, count - 1):
            after.append(memory())
    print(
        f"{count} {what}: {after[0] / 2**20:.1f} MiB after a tenth, {after[-1] / 2**20:.1f} MiB at the end", flush=True
    )
    return after[-1] - after[0] > GROWTH


def main() -> int:
    """Run all; the exit code is 1 where anything was wrong."""
    options = parser_of(__doc__, 2_000).parse_args()
    warnings.simplefilter("ignore")
    count, some = options.count, max(options.count // 50, 20)
    wrong = sum(threads(own, count, options.seed) for own in (False, True))
    wrong += forks(max(count // 500, 5), options.seed)
    X, y = data(options.seed)
    models = [network(own, options.seed) for own in (False, True)]
    content = io.BytesIO()
    models[0].save(content)
    for own, model in enumerate(models):
        path = "on the reference path" if own else "on the native path"
        wrong += grows(f"fits {path}", some, lambda model=model: model.fit(X, y, epochs=1))
        wrong += grows(f"predictions {path}", count, lambda model=model: model.predict(X[:1]))
    wrong += grows("fits of a Classifier", some, lambda: ps.Classifier(hidden=(4,), epochs=1).fit(X, y))
    wrong += grows("loads", some, lambda: ps.load(content.getvalue()))
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
