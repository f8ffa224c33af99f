"""A million rows of twenty numbers in ten seconds, beside scikit-learn's HistGradientBoosting with as many trees as it makes meanwhile.

    python benchmarks/time_limit.py                 # both tables, all cores
    python benchmarks/time_limit.py --only smooth --seconds 30

Two tables of two classes with noise: the one's target is smooth in the numbers, the other's jumps between intervals of them, as trees have it. 200,000 further
rows are predicted. One line of JSON for each model.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import machine
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss

from pysmorch import Classifier

RESULTS = Path(__file__).parent / "results" / "time_limit.jsonl"
TABLES = ("smooth", "steps")
ROWS, FURTHER, COLUMNS = 1_000_000, 200_000, 20
TREES = (50, 100, 200)


def main() -> None:
    """Measure each model on each table, and write a line for it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=TABLES, help="one of the tables")
    parser.add_argument("--seconds", type=float, default=10, help="the limit")
    arguments = parser.parse_args()
    with RESULTS.open("a") as file:
        print(json.dumps({"machine": machine.describe()}), file=file)
        for name in [arguments.only] if arguments.only else TABLES:
            X, y = table(name)
            Classifier(epochs=1).fit(X[:1000], y[:1000])  # what is loaded once
            HistGradientBoostingClassifier(max_iter=1).fit(X[:1000], y[:1000])
            models: list[tuple[str, Any]] = [
                (preset, Classifier(preset=preset, time_limit=arguments.seconds, random_state=0))
                for preset in ("fast", "balanced")
            ]
            models += [
                (f"HistGradientBoosting, {count} iterations", HistGradientBoostingClassifier(max_iter=count))
                for count in TREES
            ]
            for label, model in models:
                found = {"table": name, "model": label} | measured(model, X, y)
                print(json.dumps(found), file=file, flush=True)
                print(found)


def table(name: str) -> tuple[pd.DataFrame, np.ndarray]:
    """Normally distributed numbers, and a class."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((ROWS + FURTHER, COLUMNS)).astype(np.float32)
    if name == "smooth":
        value = np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2] + np.abs(X[:, 3]) * X[:, 4] - X[:, 5] ** 2 / 2
        value += X[:, 6] * (X[:, 7] > 0) + 0.35 * X[:, 8:12].sum(axis=1)
    else:
        value = np.round(X[:, 0]) + 2 * ((X[:, 1] > 0.3) & (X[:, 2] < 0.5)) - np.floor(X[:, 3]) % 2
        value += (X[:, 4] > X[:, 5]) + (X[:, 6] > 1) / 2
    value += rng.standard_normal(len(X)) / 2
    names = [f"number {i}" for i in range(COLUMNS)]
    return pd.DataFrame(X, columns=names), (value > np.median(value)).astype(int)


def measured(model: Any, X: pd.DataFrame, y: np.ndarray) -> dict[str, Any]:
    """Seconds of a fit, error and log loss of the further rows, and what a limit took away."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        start = time.perf_counter()
        model.fit(X[:ROWS], y[:ROWS])
        seconds = time.perf_counter() - start
    probabilities = model.predict_proba(X[ROWS:])
    return {
        "seconds": round(seconds, 2),
        "error": round(float(np.mean(probabilities.argmax(axis=1) != y[ROWS:])), 4),
        "log_loss": round(float(log_loss(y[ROWS:], probabilities)), 4),
        "said": [str(warning.message) for warning in said],
    }


if __name__ == "__main__":
    main()
