"""A table with columns of several kinds, and labels that follow some of them."""

import numpy as np
import pandas as pd

N = 400
SMALL = {"hidden": (16, 8), "epochs": 20, "random_state": 0, "preset": "fast"}


def frame(rows=N):
    """Columns of several kinds, of which the first ones matter the more."""
    rng = np.random.default_rng(1)
    table = pd.DataFrame(
        {
            "noise": rng.normal(size=rows),
            "town": rng.choice(["Ulm", "Bonn", "Kiel"], rows),
            "size": rng.normal(size=rows),
            "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, rows), "D"),
            "text": rng.choice(["old red house here", "new red house", "no house at all here"], rows),
        }
    )
    size = table["size"].copy()
    table.loc[::5, "size"] = np.nan
    return table, 3.0 * size.where(table["size"].notna(), 2.0) + 1.5 * (table["town"] == "Ulm")


TABLE, NUMBERS = frame()
CLASSES = np.where(NUMBERS > 1, "dear", "cheap")
