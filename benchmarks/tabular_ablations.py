"""What each ingredient of the presets brings on tables: fits with and without it, as lines of JSON.

    python benchmarks/tabular_ablations.py --minutes 20     # what results/ablations.jsonl lacks, smallest tables first
    python benchmarks/tabular_ablations.py --report         # ratios to the plain network, or to the presets of before

The tables are some of tabular.py that are not put aside, with its splits. Every fit is one of one thread, and is made in this process,
since a start of its own would take longer than a small table; so memory is not measured. Lines with other names of ingredients are fits of
versions that were tried for the presets; `split` names the file that has their splits.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import time
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import tabular
import tabular_data
import tabular_models

from pysmorch import CosineCycles

PLAIN: dict[str, Any] = {"preset": "fast", "hidden": (256, 128), "activation": "relu", "embedding": False}
INGREDIENTS: dict[str, dict[str, Any]] = {
    "plain": PLAIN,
    "embedding": PLAIN | {"embedding": True},
    "three layers": PLAIN | {"hidden": (256, 256, 256)},
    "three layers, mish": PLAIN | {"hidden": (256, 256, 256), "activation": "mish"},
    "three layers, mish, embedding": PLAIN | {"hidden": (256, 256, 256), "activation": "mish", "embedding": True},
}
"""Parameters of the estimators, by what they add to a plain network; all train one network."""
BALANCED: dict[str, Any] = {"preset": "balanced"}
PAIR = BALANCED | {"members": 2}
INGREDIENTS |= {
    "two networks": PAIR,
    "two networks, before": PAIR,
    "two networks, before, more intervals": PAIR,
    "two networks, before, no intervals": PAIR,
    "two networks, before, batches of 128": PAIR | {"batch_size": 128},
    "two networks, before, CosineCycles": PAIR | {"learning_rate": CosineCycles(0.01)},
    "balanced": BALANCED,
    "balanced, before": BALANCED,
    "balanced, before, more intervals": BALANCED,
    "balanced, before, an interval for 200 rows": BALANCED,
    "balanced, before, an interval for 400 rows": BALANCED,
}
"""Also two networks of "balanced", and all of them, today and with the constants of before."""
MOST, ROWS, ROWS_OF_FEW = (
    f"pysmorch.encoders.quantiles:{name}"
    for name in ("MAX_INTERVALS", "ROWS_OF_AN_INTERVAL", "ROWS_OF_AN_INTERVAL_OF_FEW")
)
BEFORE = {MOST: 32, ROWS: 100, ROWS_OF_FEW: 100}
CHANGED: dict[str, dict[str, Any]] = {
    "more intervals": {MOST: 64, ROWS: 50, ROWS_OF_FEW: 50},
    "no intervals": {MOST: 0},
    "an interval for 200 rows": {ROWS: 200, ROWS_OF_FEW: 200},
    "an interval for 400 rows": {ROWS: 400, ROWS_OF_FEW: 400},
}
"""What of the constants of before a part of a name changes: they are no parameters."""
TABLES = (
    *("movement_libras", "biomass", "crx", "pima", "car_prices", "vehicle", "Sacramento", "vowel", "OJ", "digits"),
    *("segment", "ames", "Wage", "wine-white", "satimage", "Computers", "letter", "california"),
    *("contraceptive", "SaratogaHouses", "hpc_data", "wa_churn", "adult"),
)
RESULTS = Path(__file__).parent / "results" / "ablations.jsonl"


def main() -> None:
    """Measure what is not known yet, then report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="names of tables, with commas between")
    parser.add_argument("--ingredients", default="", help="names of sets, with semicolons between")
    parser.add_argument("--seeds", type=int, default=1, help="splits of each table")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="after these, no fit is started any more")
    parser.add_argument("--report", action="store_true", help="only report what is known")
    arguments = parser.parse_args()
    tables = tabular.chosen(arguments.only, list(TABLES), "table", parser) if arguments.only else list(TABLES)
    sets = [name.strip() for name in arguments.ingredients.split(";")] if arguments.ingredients else list(INGREDIENTS)
    for name in sets:
        if name not in INGREDIENTS:
            parser.error(f"there is no set {name!r}; there are {'; '.join(INGREDIENTS)}")
    if not arguments.report:
        measure(tables, sets, arguments.seeds, time.monotonic() + 60 * arguments.minutes)
    for line in report(tabular.stored(RESULTS)[0]):
        print(line)


def measure(tables: list[str], sets: list[str], seeds: int, end: float) -> None:
    """Make the fits that the file of results lacks, and add them to it."""
    warnings.filterwarnings("ignore")
    known = {(row["table"], row["ingredients"], row["seed"]) for row in tabular.stored(RESULTS)[0]}
    with RESULTS.open("a") as file:
        for seed in range(seeds):
            for table in tables:
                for name in sets:
                    if (table, name, seed) in known or time.monotonic() > end:
                        continue
                    row = fitted(table, name, seed)
                    print(json.dumps(row), file=file, flush=True)
                    print(*(f"{key} {value}" for key, value in row.items()), flush=True)


def fitted(table: str, name: str, seed: int) -> dict[str, Any]:
    """Return the scores of a fit, and the seconds of the processor."""
    column = tabular_models.ours(INGREDIENTS[name])
    with contextlib.ExitStack() as replaced:
        for constant, value in constants_of(name).items():
            module, _, attribute = constant.partition(":")
            replaced.enter_context(mock.patch.object(import_module(module), attribute, value))
        found = tabular.measured(tabular.Fit(table, name, seed), column, tabular.DATA, threads=1)
    score = ("rmse", "crps") if table in tabular_data.REGRESSION else ("error", "log_loss")
    scores = {key: round(found[key], 6) for key in score}
    return {
        "table": table,
        "ingredients": name,
        "seed": seed,
        **scores,
        "seconds": round(found["processor_seconds"], 2),
    }


def constants_of(name: str) -> dict[str, Any]:
    """Return the values of constants, by module and name with a colon between, that a set has instead of today's."""
    parts = name.split(", ")
    values = dict(BEFORE) if "before" in parts else {}
    for part in parts:
        values |= CHANGED.get(part, {})
    return values


def report(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Geometric means of the ratios over the tables that have both, and their number: to the plain network, or to that of before."""
    known = {(row["table"], row["ingredients"], row["seed"]): row for row in rows}
    yield "| ingredients | fits | error or RMSE | log loss or CRPS | seconds |"
    yield "|---|---|---|---|---|"
    for name in INGREDIENTS:
        base = next((f"{kind}, before" for kind in ("two networks", "balanced") if name.startswith(kind)), "plain")
        pairs = [
            (row, known[table, base, seed])
            for (table, ingredients, seed), row in known.items()
            if ingredients == name and (table, base, seed) in known
        ]
        if pairs:
            yield f"| {name} | {len(pairs)} | " + " | ".join(f"{mean_ratio(pairs, i):.3f}" for i in (3, 4, 5)) + " |"


def mean_ratio(pairs: list[tuple[dict[str, Any], dict[str, Any]]], position: int) -> float:
    """Of a figure, by its position in a row; a figure of 0 counts as half a thousandth."""
    ratios = [max([*row.values()][position], 5e-4) / max([*plain.values()][position], 5e-4) for row, plain in pairs]
    return float(np.exp(np.mean(np.log(ratios))))


if __name__ == "__main__":
    for variable in tabular.THREAD_VARIABLES:
        os.environ.setdefault(variable, "1")
    main()
