"""Rows that are held out, drawn in few bytes, are those that scikit-learn draws."""

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from pysmorch.estimators import splitting


@pytest.mark.parametrize("at_a_time", [7, 2**16])
@pytest.mark.parametrize("labels", ["texts", "numbers"])
def test_held_out_rows_are_those_of_scikit_learn(monkeypatch, at_a_time, labels):
    monkeypatch.setattr(splitting, "ROWS_AT_A_TIME", at_a_time)
    rng = np.random.default_rng(0)
    y = rng.choice(np.array(["b", "a", "c"]) if labels == "texts" else np.arange(40), 500)
    training, held_out, stratified = splitting.split_rows(y, len(y), 0.2, 3)
    expected = train_test_split(np.arange(len(y)), test_size=0.2, random_state=3, stratify=y)
    assert stratified
    np.testing.assert_array_equal(training, np.sort(expected[0]))
    np.testing.assert_array_equal(held_out, np.sort(expected[1]))


def test_a_class_of_one_row_is_trained_on_and_the_others_are_drawn_as_without_it():
    y = np.random.default_rng(0).integers(0, 3, 200)
    y[11] = 9
    training, held_out, stratified = splitting.split_rows(y, len(y), 0.25, 1)
    others = np.flatnonzero(y != 9)
    expected = train_test_split(others, test_size=0.25, random_state=1, stratify=y[others])
    assert not stratified
    assert 11 in training
    np.testing.assert_array_equal(held_out, np.sort(expected[1]))
    np.testing.assert_array_equal(np.sort(np.concatenate([training, held_out])), np.arange(200))
