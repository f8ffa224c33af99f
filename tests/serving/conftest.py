"""Small models of each kind, and clients of their services."""

import warnings

import numpy as np
import pandas as pd
import pytest

from pysmorch import Classifier, PysmorchWarning, Regressor

pytest.importorskip("starlette", reason="serve needs pysmorch[web]")
pytest.importorskip("uvicorn", reason="serve needs pysmorch[web]")
pytest.importorskip("httpx2", reason="Starlette's test client needs httpx2")

from starlette.testclient import TestClient

from pysmorch.serving import application

HOME = "http://127.0.0.1:8000"
SMALL = {"hidden": (8,), "epochs": 2, "random_state": 0, "preset": "fast"}


def houses(count=300):
    """A table with a column of each kind; "built" is written as in CSV files."""
    rng = np.random.default_rng(0)
    days = pd.to_datetime("1950-01-01") + pd.to_timedelta(rng.integers(0, 20_000, count), "D")
    return pd.DataFrame(
        {
            "size": rng.uniform(20, 200, count).round(1),
            "rooms": rng.integers(1, 8, count),
            "kind": rng.choice(["flat", "house", "villa"], count),
            "garden": rng.random(count) > 0.5,
            "built": days.strftime("%d.%m.%Y"),
            "heating": rng.choice(["gas", "oil", None], count),
            "constant": 1,
        }
    )


def price(table):
    return 3 * table["size"] + 10 * table["rooms"] + 100 * (table["kind"] == "villa")


def train(model, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PysmorchWarning)  # the constant is left out
        return model.fit(X, y)


@pytest.fixture(scope="session")
def regressor():
    table = houses()
    return train(Regressor(conformal_fraction=0.2, **SMALL), table, price(table))


@pytest.fixture(scope="session")
def classifier():
    table = houses()
    return train(Classifier(conformal_fraction=0.2, **SMALL), table, np.where(price(table) > 400, "dear", "cheap"))


@pytest.fixture(scope="session")
def array_model():
    X = np.random.default_rng(0).normal(size=(120, 3))
    return Classifier(**SMALL).fit(X, (X[:, 0] > 0).astype(int))


@pytest.fixture(scope="session")
def image_model():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 8, 10, 3)).astype(np.uint8)
    return Classifier(**SMALL).fit(images, np.arange(60) % 3)


@pytest.fixture
def client_of():
    """Return what makes a client of a model's service."""
    opened = []

    def make(model, **options):
        client = TestClient(application(model, **options), base_url=HOME, raise_server_exceptions=False)
        opened.append(client)
        return client.__enter__()

    yield make
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def client(client_of, regressor):
    """The service of the regressor."""
    return client_of(regressor)


ROW = {"size": 80.5, "rooms": 3, "kind": "flat", "garden": True, "built": "05.03.1990", "heating": "gas"}
"""What the models of houses take."""


def frame_of(*rows):
    """Rows as the models take them themselves."""
    return pd.DataFrame([row | {"constant": 1} for row in rows])
