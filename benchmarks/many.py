"""Thousands of small models: how long `fit_many` takes, and what errors the small networks make that it trains by default.

python benchmarks/many.py            # 10,000 groups of 200 rows x 10 columns
python benchmarks/many.py --groups 1000 --errors --save
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe

import pysmorch
from pysmorch import Classifier, Regressor, fit_many
from pysmorch.many import for_small_groups

RESULTS = Path(__file__).parent / "results" / "many.json"
KINDS = ("linear", "sparse", "interaction", "waves", "steps", "noise")
ROWS, COLUMNS = 200, 10


def signal(kind: str, X: Any, weights: Any) -> Any:
    """What the target of a group of rows depends on."""
    if kind == "linear":
        return X[:, :5] @ weights[:5]
    if kind == "sparse":
        return 1.5 * X[:, 0]
    if kind == "interaction":
        return X[:, 0] + 1.5 * X[:, 1] * X[:, 2]
    if kind == "waves":
        U = 1 / (1 + np.exp(-1.5 * X))
        return (
            10 * np.sin(np.pi * U[:, 0] * U[:, 1]) + 20 * (U[:, 2] - 0.5) ** 2 + 10 * U[:, 3] + 5 * U[:, 4] - 14
        ) / 3
    if kind == "steps":
        return 1.2 * (X[:, 0] > 0.5) + 1.5 * np.sin(2 * X[:, 1]) + np.abs(X[:, 2])
    return 0.3 * X[:, 0]


def group_of(kind: str, classifies: bool, seed: int, count: int) -> tuple[Any, Any]:
    """Rows and targets of a group; two columns are skewed and coarse."""
    generator = np.random.default_rng([KINDS.index(kind), seed])
    weights = generator.standard_normal(COLUMNS)
    X = generator.standard_normal((count, COLUMNS))
    X[:, 5], X[:, 6] = np.exp(X[:, 5]), np.round(2 * X[:, 6])
    values = signal(kind, X, weights)
    if not classifies:
        return X, values + 0.5 * generator.standard_normal(count)
    return X, (generator.random(count) < 1 / (1 + np.exp(-2 * (values - np.median(values))))).astype(int)


def error_of(estimator: Any, rows: int, groups: int) -> tuple[float, float]:
    """The mean error on 1000 new rows (log loss, or 1 - R²), and processor time of a fit in milliseconds."""
    classifies, errors, spent = isinstance(estimator, Classifier), [], 0.0
    for kind in KINDS:
        for seed in range(groups):
            X, y = group_of(kind, classifies, seed, rows + 1000)
            model = estimator.set_params(random_state=seed)
            start = time.process_time()
            model.fit(X[:rows], y[:rows])
            spent += time.process_time() - start
            if classifies:
                p = model.predict_proba(X[rows:])[np.arange(1000), y[rows:]]
                errors.append(float(-np.log(np.clip(p, 1e-6, 1)).mean()))
            else:
                errors.append(1 - model.score(X[rows:], y[rows:]))
    return round(float(np.mean(errors)), 4), round(1000 * spent / len(errors), 1)


def errors(groups: int) -> dict[str, Any]:
    """Errors of the small networks, and of the presets for one table."""
    found: dict[str, Any] = {}
    for kind in (Classifier, Regressor):
        compared = {"small": for_small_groups(kind), "fast": kind(preset="fast"), "balanced": kind()}
        for rows in (60, 200, 600):
            for name, estimator in compared.items():
                error, milliseconds = error_of(estimator.set_params(threads=1), rows, groups)
                found[f"{kind.__name__} {name} {rows} rows"] = {"error": error, "ms": milliseconds}
                print(f"{kind.__name__} {name} {rows} rows: error {error}, {milliseconds} ms", flush=True)
    return found


def timed(kind: Any, groups: int) -> dict[str, Any]:
    """Train, save, load and predict so many groups."""
    names = np.random.default_rng(0).permutation(np.repeat(np.arange(groups), ROWS))
    X, y = np.empty((groups * ROWS, COLUMNS)), np.empty(groups * ROWS)
    for start in range(0, len(names), 2000):
        rows = slice(start, start + 2000)
        X[rows], y[rows] = group_of(KINDS[(start // 2000) % len(KINDS)], kind is Classifier, start, len(names[rows]))
    y = y.astype(int) if kind is Classifier else y
    wall, cpu = time.perf_counter(), time.process_time()
    many = fit_many(kind, X, y, by=names)
    result = {
        "groups": groups,
        "seconds": round(time.perf_counter() - wall, 1),
        "processor_ms_per_group": round(1000 * (time.process_time() - cpu) / groups, 2),
        "load_average": round(os.getloadavg()[0], 1),
        "peak_MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "data_MiB": (X.nbytes + y.nbytes + names.nbytes) // 2**20,
    }
    some = many.groups[groups // 2]
    alone = for_small_groups(kind).set_params(random_state=many.seed_of(some)).fit(X[names == some], y[names == some])
    assert np.array_equal(alone.predict(X[:5000]), many.models[some].predict(X[:5000]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "many.safetensors"
        start = time.perf_counter()
        many.save(path)
        result |= {
            "save_seconds": round(time.perf_counter() - start, 2),
            "file_MB": round(path.stat().st_size / 1e6, 1),
        }
        start = time.perf_counter()
        loaded = pysmorch.load(path)
        loaded.models[some]
        result["load_one_seconds"] = round(time.perf_counter() - start, 3)
        start = time.process_time()
        loaded.predict(X, by=names)
        result["predict_processor_ms_per_group"] = round(1000 * (time.process_time() - start) / groups, 2)
    print(kind.__name__, result, flush=True)
    return result


def save(found: dict[str, Any], wanted: bool) -> None:
    """Write what was measured so far."""
    if wanted:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", type=int, default=10_000)
    parser.add_argument("--errors", action="store_true", help="measure errors, too")
    parser.add_argument("--of-each", type=int, default=8, help="groups of each kind for the errors")
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    found: dict[str, Any] = {"machine": describe()}
    found["time"] = {}
    for kind in (Classifier, Regressor):
        found["time"][kind.__name__] = timed(kind, options.groups)
        save(found, options.save)  # each takes minutes
    if options.errors:
        found["errors"] = errors(options.of_each)
        save(found, options.save)


if __name__ == "__main__":
    main()
