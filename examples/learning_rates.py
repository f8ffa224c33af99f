"""
Learning rates and schedules, side by side
==========================================

The same network from the same weights, trained with four learning rates and two schedules.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from pysmorch import SGD, Cosine, CrossEntropy, Data, Network, OneCycle, mlp

X, y = load_digits(return_X_y=True)
X = X / 16
rates = {"0.01": 0.01, "0.1": 0.1, "1": 1.0, "5": 5.0, "cosine from 1": Cosine(1.0), "one cycle to 1": OneCycle(1.0)}

figure, ax = plt.subplots(figsize=(7, 4))
for name, rate in rates.items():
    network = Network(CrossEntropy(mlp(Data(shape=(None, 64)), [32], 10, seed=0)))
    history = network.fit(X[:1500], y[:1500], optimizer=SGD(rate), epochs=15, batch_size=64, seed=0)
    accuracy = network.evaluate(X[1500:], y[1500:])["accuracy"]
    print(f"{name:>15}: {accuracy:.1%} of the test images are right")
    ax.plot(history["loss"], label=name)
ax.set_yscale("log")
ax.set_xlabel("epoch")
ax.set_ylabel("training loss")
ax.legend(title="learning rate")
figure.tight_layout()
