"""Values that are not finite: one search on the way to the engine, and messages with row and column."""

import numpy as np
import pandas as pd
import pytest

from pysmorch import Classifier, Regressor, entries
from pysmorch.encoders import array, image
from pysmorch.engine import dataset

RNG = np.random.default_rng(0)
ROWS, IMAGES = RNG.standard_normal((40, 3)), RNG.standard_normal((40, 5, 5, 2))
Y = np.arange(40) % 2


def with_value(rows, index, value):
    rows = rows.copy()
    rows[index] = value
    return rows


@pytest.mark.parametrize("rows", [ROWS, ROWS.astype(np.float32), IMAGES], ids=["float64", "float32", "images"])
def test_an_array_is_searched_once_in_fit_and_once_in_predict(rows, monkeypatch):
    searched = []

    def counted(values, what, allow_nan=False):
        searched.append(values.shape)
        entries.check_finite(values, what, allow_nan)

    for module in (array, image, dataset):
        monkeypatch.setattr(module, "check_finite", counted)
    model = Classifier(hidden=(4,), epochs=1, random_state=0).fit(rows, Y, eval_set=(rows[:20], Y[:20]))
    arrays = [shape for shape in searched if len(shape) > 1]
    assert sorted(arrays) == sorted([rows.shape, rows[:20].shape])
    searched.clear()
    model.predict(rows)
    assert searched == [rows.shape]


PLACES = {
    "rows": (ROWS, (7, 2), "row 7, column 2"),
    "images": (IMAGES, (3, 1, 4, 0), r"row 3, position \(1, 4, 0\)"),
    "grey": (IMAGES[..., 0], (3, 1, 4), r"row 3, position \(1, 4\)"),
}
VALUES = {"nan": (np.nan, "NaN"), "inf": (np.inf, "infinity"), "minus": (-np.inf, "-infinity")}
REFUSED = {
    f"{value}-{place}": (*PLACES[place], *VALUES[value])
    for value in VALUES
    for place in PLACES
    if (value, place) != ("nan", "rows")  # in rows of columns NaN is a missing value
}


@pytest.mark.parametrize(("rows", "index", "where", "value", "found"), REFUSED.values(), ids=REFUSED)
def test_the_first_entry_that_is_refused_is_named(rows, index, where, value, found):
    message = f"X has {found} in {where}; replace or remove"
    wrong = with_value(rows, index, value)
    model = Classifier(hidden=(4,), epochs=1, random_state=0)
    with pytest.raises(ValueError, match=f"^{message}"):
        model.fit(wrong, Y)
    model.fit(rows, Y)
    for call, start in (
        (lambda: model.predict(wrong), ""),
        (lambda: model.partial_fit(wrong, Y), ""),
        (lambda: model.fit(rows, Y, eval_set=(wrong, Y)), "eval_set: "),
    ):
        with pytest.raises(ValueError, match=f"^{start}{message}"):
            call()


def test_targets_that_are_not_finite_are_named():
    with pytest.raises(ValueError, match=r"^y has NaN in row 5; "):
        Regressor(epochs=1).fit(ROWS, with_value(ROWS[:, 0], 5, np.nan))


def test_a_data_frame_of_numbers_for_a_model_of_arrays_is_searched_too():
    model = Classifier(hidden=(4,), epochs=1, random_state=0).fit(ROWS, Y)
    with pytest.raises(ValueError, match="X has infinity in row 7, column 2"):
        model.predict(pd.DataFrame(with_value(ROWS, (7, 2), np.inf)).to_numpy())
