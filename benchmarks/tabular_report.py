"""The report of tabular.py: mean ranks, normalised scores, seconds and memory of the columns, from the rows that were stored."""

from __future__ import annotations

from typing import Any

import numpy as np
import tabular_data
from tabular_scores import interval, mean_ratio, normalised, ranks

SCORES = ("error", "rmse", "log_loss", "crps", "auc", "r2", "calibration_error")
COSTS = ("fit_seconds", "processor_seconds", "predict_seconds", "memory_added", "memory")
Means = dict[str, dict[str, dict[str, float]]]
"""By table and column: the means over the splits that all columns have."""


def report(rows: list[dict[str, Any]], names: list[str], columns: list[str] | None, base: str) -> str:
    """The whole report of some tables and columns (None: all that there are), as Markdown."""
    rows = list({(row["table"], row["column"], row["seed"]): row for row in rows}.values())  # the last of several
    rows = [row for row in rows if row["table"] in names and (columns is None or row["column"] in columns)]
    columns = [name for name in columns or dict.fromkeys(row["column"] for row in rows)]
    columns = [name for name in columns if any(row["column"] == name for row in rows)]
    found = means(rows, columns)
    base = base if base in columns else next(iter(columns), "")
    if not found:
        return "No table has results of all columns yet; choose fewer with --models."
    rows_of = {row["table"]: row["rows"] for row in rows}
    small = {name: of for name, of in found.items() if rows_of[name] < tabular_data.SMALL}
    parts = [
        f"{len(found)} of {len(names)} tables have results of all columns. Intervals of 95 % are over tables; seconds and "
        f"memory are multiples of those of {base}, as geometric means.",
        "",
        *summary(found, columns, base),
    ]
    if small and len(small) < len(found):
        parts += ["", f"The {len(small)} tables with fewer than {tabular_data.SMALL:,} rows:", ""]
        parts += summary(small, columns, base)
    parts += [
        "",
        "Error, or RMSE / standard deviation of the target:",
        "",
        *each(found, columns, rows_of, "error", "rmse"),
    ]
    parts += ["", "Log loss, or CRPS / standard deviation:", "", *each(found, columns, rows_of, "log_loss", "crps")]
    failures = [f"- {r['table']}, {r['column']}, split {r['seed']}: {r['failure']}" for r in rows if "failure" in r]
    return "\n".join([*parts, *(["", "Failures:", "", *failures] if failures else [])])


def means(rows: list[dict[str, Any]], columns: list[str]) -> Means:
    """Mean scores over the splits that all columns have been tried on; those of a column that failed on one are infinite."""
    tried: dict[str, dict[int, dict[str, dict[str, Any]]]] = {}
    for row in rows:
        tried.setdefault(row["table"], {}).setdefault(row["seed"], {})[row["column"]] = row
    found: Means = {}
    for table, seeds in tried.items():
        whole = [of for of in seeds.values() if len(of) == len(columns)]
        if whole and not all("failure" in row for of in whole for row in of.values()):
            found[table] = {name: mean_of([of[name] for of in whole]) for name in columns}
    return found


def mean_of(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The means of a column's splits of a table; of nothing but infinity and unknown costs where one failed."""
    if any("failure" in row for row in rows):
        return dict.fromkeys(SCORES, np.inf) | dict.fromkeys(COSTS, np.nan)
    return {key: float(np.mean([row[key] for row in rows])) for key in (*SCORES, *COSTS) if key in rows[0]}


def values(found: Means, columns: list[str], tables: list[str], key: str) -> np.ndarray:
    """A score as an array (tables, columns)."""
    return np.array([[found[table][name][key] for name in columns] for table in tables], float)


def summary(found: Means, columns: list[str], base: str) -> list[str]:
    """A table with a line for each column, the best mean rank in error first."""
    numbers = [name for name in found if name in tabular_data.REGRESSION]
    classes = [name for name in found if name not in tabular_data.REGRESSION]
    errors = np.concatenate(
        [values(found, columns, tables, key) for tables, key in ((classes, "error"), (numbers, "rmse")) if tables]
    )
    cells = {
        "rank in error or RMSE": with_intervals(ranks(errors)),
        "normalised score": with_intervals(normalised(errors)),
    }
    if classes:
        cells["rank in log loss"] = with_intervals(ranks(values(found, columns, classes, "log_loss")))
        calibration = values(found, columns, classes, "calibration_error")
        cells["calibration error"] = [f"{mean:.4f}" for mean in calibration.mean(0)]
    if numbers:
        cells["rank in CRPS"] = with_intervals(ranks(values(found, columns, numbers, "crps")))
    for key in COSTS:
        costs = values(found, columns, list(found), key)
        of_base = costs[:, columns.index(base)]
        cells[key.replace("_", " ")] = [f"{mean_ratio(cost, of_base):.3g}" for cost in costs.T]
    order = np.argsort(ranks(errors).mean(0), kind="stable")
    kinds = f"{len(classes)} of classes, {len(numbers)} of numbers"
    lines = [f"| {kinds} | " + " | ".join(cells) + " |", "|---" * (len(cells) + 1) + "|"]
    return lines + [f"| {columns[i]} | " + " | ".join(of[i] for of in cells.values()) + " |" for i in order]


def with_intervals(of_tables: np.ndarray) -> list[str]:
    """The mean of each column over the tables, with its interval."""
    return [
        f"{column.mean():.2f} ({lower:.2f} to {upper:.2f})"
        for column, (lower, upper) in ((column, interval(column)) for column in of_tables.T)
    ]


def each(found: Means, columns: list[str], rows_of: dict[str, int], of_classes: str, of_numbers: str) -> list[str]:
    """A line for each table with a score by the kind of its target, the smallest table first."""
    lines = ["| table | rows | " + " | ".join(columns) + " |", "|---" * (len(columns) + 2) + "|"]
    for name in sorted(found, key=rows_of.__getitem__):
        key = of_numbers if name in tabular_data.REGRESSION else of_classes
        cells = [f"{found[name][column][key]:.4f}" for column in columns]
        lines.append(f"| {name} | {rows_of[name]:,} | " + " | ".join(cells) + " |")
    return lines
