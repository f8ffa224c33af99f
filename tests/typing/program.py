"""A program that uses the public names, for mypy alone: `test_typing.py` has it checked and never runs it."""

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import pysmorch as ps
from pysmorch import Classifier, ManyModels, Network, Regressor

X, y = np.ones((6, 4)), np.array([0, 1, 2, 0, 1, 2])

classifier = assert_type(Classifier().fit(X, y), Classifier)
assert_type(classifier.partial_fit(X, y), Classifier)
assert_type(classifier.predict_proba(X), NDArray[Any])
assert_type(Regressor(loss="huber", optimizer=ps.SGD(0.1)).fit(X, y.tolist()), Regressor)
Classifier(activation="gelu", learning_rate=ps.Cosine(0.01), network=ps.models.resnet20, class_weight={0: 2.0})
Classifier(activation="rely")  # type: ignore[arg-type]
Classifier(optimizer="adamv")  # type: ignore[arg-type]
Classifier(precision="bf17")  # type: ignore[arg-type]
Regressor(loss="squared")  # type: ignore[arg-type]


class Double:
    """A layer of one's own, without a base class."""

    def __init__(self, in_layer: ps.Layer) -> None:
        self.in_layer = in_layer
        self.out_dims = in_layer.out_dims

    def forward(self) -> NDArray[Any]:
        return 2 * np.asarray(self.in_layer.forward())

    def backward(self, dwnstrm: NDArray[Any]) -> None:
        self.in_layer.backward(2 * dwnstrm)


data = ps.Data(shape=(None, 4))
hidden = assert_type(ps.Relu(ps.Bias(ps.Linear(Double(data), 8))), ps.Relu)
network = Network(ps.CrossEntropy(ps.dense(ps.Dropout(hidden, 0.1), 3, activation=None)))
history = assert_type(network.fit(X, y, optimizer="adam", metrics=["auc"], callbacks=[ps.EarlyStopping()]), ps.History)
assert_type(history["loss"], list[float])
assert_type(network.predict(X), NDArray[Any])
assert_type(network.evaluate(X, y), dict[str, float])
network.fit(X, y, engine="fast")  # type: ignore[arg-type]
network.fit(X, y, dtype="float16")  # type: ignore[arg-type]
ps.Linear(X, 3)  # type: ignore[arg-type]
ps.Conv2d(data, 8, 3, padding="full")  # type: ignore[arg-type]

loaded = assert_type(ps.load("model.safetensors"), Network | Classifier | Regressor | ManyModels)
if isinstance(loaded, Classifier):
    assert_type(loaded.predict(X), NDArray[Any])

report = ps.check(network)
assert_type(report.passed, bool)
