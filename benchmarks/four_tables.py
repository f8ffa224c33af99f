"""Error of the presets on adult, letter, california and wine, with splits that others can make, too.

    python benchmarks/four_tables.py --data ../shared/data --preset balanced --seeds 3

adult has a file of its own with the rows to predict, so that a seed changes the training only. Of the other tables NumPy's
`default_rng(seed).permutation` puts the rows in an order whose last fifth is predicted. RMSE and CRPS are divided by the standard deviation
of the training target. Each fit has one thread; what `results/four_tables.jsonl` has is not measured again.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from pathlib import Path
from typing import Any

import machine
import numpy as np
import pandas as pd
import tabular
import tabular_data
import tabular_models

NAMES = ("wine-white", "letter", "california", "adult")
ROWS_OF_ADULT = 32_561
"""Of the file for the training."""
LEVELS = (np.arange(20) + 0.5) / 20
RESULTS = Path(__file__).parent / "results" / "four_tables.jsonl"


def main() -> None:
    """Measure what is not known yet, then report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--report", action="store_true", help="only report what is known")
    parser.add_argument("--data", type=Path, default=tabular.DATA, help="folder of the four tables")
    arguments = parser.parse_args()
    rows, machines = tabular.stored(RESULTS)
    known = {(row["table"], row["column"], row["seed"]) for row in rows}
    fits = [] if arguments.report else [(name, seed) for seed in range(arguments.seeds) for name in NAMES]
    here = machine.describe() | {"threads": 1}
    with RESULTS.open("a") as file:
        if fits and (not machines or machines[-1] != here):
            print(json.dumps({"machine": here}), file=file, flush=True)
        for name, seed in fits:
            if (name, arguments.preset, seed) not in known:
                rows.append(measured(name, arguments.preset, seed, arguments.data))
                print(json.dumps(rows[-1]), file=file, flush=True)
    for line in report(rows):
        print(line)


def split(name: str, seed: int, folder: Path) -> tuple[pd.DataFrame, np.ndarray, pd.DataFrame, np.ndarray]:
    """Features and targets of the training, and of the rows that are predicted."""
    table = tabular_data.load(name, folder)
    count = len(table.y)
    order = np.arange(count) if name == "adult" else np.random.default_rng(seed).permutation(count)
    cut = ROWS_OF_ADULT if name == "adult" else int(0.8 * count)
    training, test = order[:cut], order[cut:]
    X = table.X.apply(
        lambda cells: cells.astype(object) if cells.dtype == "category" else cells
    )  # as they are in the file
    return X.iloc[training], table.y[training], X.iloc[test], table.y[test]


def measured(name: str, preset: str, seed: int, folder: Path) -> dict[str, Any]:
    """Return the scores of a fit, and the seconds of the processor."""
    X, y, X_test, y_test = split(name, seed, folder)
    make = tabular_models.estimator_of_ours(name in tabular_data.REGRESSION)
    start = time.process_time()
    model = make(preset=preset, random_state=seed, threads=1).fit(X, y)
    seconds = time.process_time() - start
    if name in tabular_data.REGRESSION:
        found = tabular_models.quantiles(model, X_test, LEVELS)
        distances = y_test[:, None] - found
        losses = np.maximum(LEVELS * distances, (LEVELS - 1) * distances)
        rmse = np.sqrt(np.mean((model.predict(X_test) - y_test) ** 2))
        scores = {"rmse": rmse / y.std(), "crps": 2 * losses.mean() / y.std()}
    else:
        likely = model.predict_proba(X_test)[np.arange(len(y_test)), y_test]
        scores = {
            "error": np.mean(model.predict(X_test) != y_test),
            "log_loss": -np.mean(np.log(np.maximum(likely, 1e-15))),
        }
    rounded = {key: round(float(value), 6) for key, value in scores.items()}
    return {"table": name, "column": preset, "seed": seed} | rounded | {"processor_seconds": round(seconds, 1)}


def report(rows: list[dict[str, Any]]) -> list[str]:
    """Means over the seeds, as a table."""
    lines = ["| table | preset | seeds | error or RMSE | log loss or CRPS | seconds |", "|---|---|---|---|---|---|"]
    for table, column in dict.fromkeys((row["table"], row["column"]) for row in rows):
        found = [[*row.values()][3:6] for row in rows if (row["table"], row["column"]) == (table, column)]
        error, loss, seconds = np.mean(found, axis=0)
        lines.append(f"| {table} | {column} | {len(found)} | {error:.4f} | {loss:.4f} | {seconds:.0f} |")
    return lines


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    for variable in tabular.THREAD_VARIABLES:
        os.environ.setdefault(variable, "1")
    main()
