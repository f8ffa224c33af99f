"""
A residual network made by hand
===============================

Three blocks with batch normalisation, trained on the bundled digits.
"""

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from pysmorch import AdamW, Add, CrossEntropy, Data, Network, OneCycle, Relu, batch_norm, dense, weights_from


def block(x, width):
    """Two dense layers whose output is added to their input."""
    inner = dense(x, width)
    return Relu(Add(x, batch_norm(dense(inner, width, activation=None))))


X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0, stratify=y)

with weights_from(seed=0):
    x = dense(Data(shape=(None, 64)), 64)
    for _ in range(3):
        x = block(x, 64)
    network = Network(CrossEntropy(dense(x, 10, activation=None), label_smoothing=0.1))

network.fit(X_train, y_train, optimizer=AdamW(OneCycle(0.01)), epochs=20, batch_size=64, seed=0)
print(network.summary())
print(f"test accuracy {network.evaluate(X_test, y_test)['accuracy']:.3f}")
