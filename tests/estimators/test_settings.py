"""The contract of scikit-learn in 40 settings: every activation, optimizer and loss, early stopping, precision and batch sizes."""

import warnings

import numpy as np
import pytest
from sklearn.utils.estimator_checks import check_estimator

from pysmorch import SGD, Classifier, CrossEntropy, Regressor
from pysmorch.layers.activations import ACTIVATIONS
from pysmorch.optimizers import OPTIMIZERS
from pysmorch.schedules import Cosine

SMALL = {"hidden": (16,), "learning_rate": 0.02, "random_state": 0, "preset": "fast"}
EPOCHS = {Classifier: 10, Regressor: 20}
"""As many as the scores of the contract need."""
FULL_BATCHES = {"epochs": 20, "batch_size": 1000, "dropout": 0.0, "early_stopping": False, "precision": "float64"}
"""With these, weights are the same as repeated rows in every respect."""
SETTINGS = [
    *[((Classifier, Regressor)[i % 2], {"activation": name}) for i, name in enumerate(ACTIVATIONS)],
    *[(Classifier, {"optimizer": name}) for name in OPTIMIZERS],
    *[(Regressor, {"loss": name}) for name in ("absolute", "huber", "quantile", "poisson", "gamma", "tweedie")],
    (Regressor, {"loss": "quantile", "quantile": 0.6}),
    (Classifier, {"early_stopping": True}),
    (Classifier, {"early_stopping": False}),
    (Regressor, {"early_stopping": True, "patience": 5}),
    (Regressor, {"early_stopping": False}),
    (Classifier, {"precision": "auto"}),
    (Regressor, {"precision": "auto"}),
    (Classifier, {"batch_size": 8}),
    (Regressor, {"batch_size": 1000}),
    (Classifier, {"class_weight": "balanced"}),
    (Classifier, {"label_smoothing": 0.1}),
    (Classifier, {"optimizer": SGD(0.05, momentum=0.9)}),
    (Classifier, {"learning_rate": Cosine(0.02)}),
    (Classifier, {"hidden": ()}),
    (Regressor, {"hidden": (), "epochs": 60}),
    (Classifier, {"dropout": 0.0, "weight_decay": 0.0}),
    (Classifier, {"threads": 1}),
    (Classifier, {"loss": CrossEntropy}),
    (Classifier, FULL_BATCHES),
    (Regressor, FULL_BATCHES),
]
NOT_IN_BATCHES = dict.fromkeys(
    [f"check_sample_weight_equivalence_on_{kind}_data" for kind in ("dense", "sparse")],
    "rows are shuffled into mini-batches",
)
NOT_OF_COUNTS = {"check_regressor_multioutput": "its targets are negative, in spite of the tag"}


def test_there_are_forty_settings():
    assert len(SETTINGS) >= 40


@pytest.mark.parametrize(("make", "options"), SETTINGS, ids=[f"{m.__name__}-{o}" for m, o in SETTINGS])
def test_the_contract_is_kept_in_every_setting(make, options):
    expected = NOT_IN_BATCHES | (NOT_OF_COUNTS if options.get("loss") in ("poisson", "gamma", "tweedie") else {})
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        results = check_estimator(
            make(**SMALL | {"epochs": EPOCHS[make]} | options),
            expected_failed_checks={} if options is FULL_BATCHES else expected,
            on_fail=None,
            on_skip=None,
        )
    failed = {result["check_name"]: result["exception"] for result in results if result["status"] == "failed"}
    assert not failed
