"""Models of the table of the examples."""

import pytest

from pysmorch import Classifier, Regressor
from tests.explaining.examples import CLASSES, NUMBERS, SMALL, TABLE


@pytest.fixture(scope="module")
def classifier():
    return Classifier(**SMALL).fit(TABLE, CLASSES)


@pytest.fixture(scope="module")
def regressor():
    return Regressor(**SMALL).fit(TABLE, NUMBERS)
