"""How many new numbers the intervals of a Regressor cover, over repeated splits of tables.

    python benchmarks/coverage.py                             # the smaller tables with numbers that are not put aside, with the defaults
    python benchmarks/coverage.py --only Salaries --splits 20 --coverage 0.9 --conformal-fraction 0.2

A quarter of the rows is held out in each split. One line of JSON for each table: the mean coverage over the splits, the lowest and the
highest one, and the mean width as a multiple of the standard deviation of the target.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import machine
import numpy as np
import tabular_data
from sklearn.model_selection import train_test_split

HERE = Path(__file__).parent
TABLES = "Salaries,biomass,car_prices,Sacramento"


def main() -> None:
    """Measure each table, and write a line for it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=TABLES, help="names of tables, with commas between")
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--coverage", type=float, default=0.9)
    parser.add_argument(
        "--conformal-fraction", type=float, default=0.0, help="of the rows, set aside for the intervals"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--results", type=Path, default=HERE / "results" / "coverage.jsonl")
    arguments = parser.parse_args()
    with arguments.results.open("a") as file:
        file.write(json.dumps({"machine": machine.describe()}) + "\n")
        for name in arguments.only.split(","):
            found = covered(tabular_data.load(name.strip(), HERE), arguments)
            print(found)
            file.write(json.dumps(found) + "\n")
            file.flush()


def covered(table: tabular_data.Table, arguments: argparse.Namespace) -> dict[str, object]:
    """Return the coverage of a table's intervals over the splits."""
    from pysmorch import Regressor

    y = np.asarray(table.y, np.float64)
    shares, widths = [], []
    for seed in range(arguments.splits):
        training, test = train_test_split(np.arange(len(y)), test_size=0.25, random_state=seed)
        model = Regressor(
            random_state=seed, threads=arguments.threads, conformal_fraction=arguments.conformal_fraction
        ).fit(table.X.iloc[training], y[training])
        low, high = model.predict_interval(table.X.iloc[test], arguments.coverage).T
        shares.append(float(np.mean((low <= y[test]) & (y[test] <= high))))
        widths.append(float(np.mean(high - low) / y.std()))
    return {
        "table": table.name,
        "rows": len(y),
        "splits": arguments.splits,
        "asked": arguments.coverage,
        "conformal_fraction": arguments.conformal_fraction,
        "coverage": float(np.mean(shares)),
        "lowest": min(shares),
        "highest": max(shares),
        "width": float(np.mean(widths)),
    }


if __name__ == "__main__":
    main()
