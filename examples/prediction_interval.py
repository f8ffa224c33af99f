"""
Quantiles: an interval instead of a number
==========================================

Three outputs, each trained for a quantile of its own.
"""

import matplotlib.pyplot as plt
import numpy as np

from pysmorch import Adam, Data, Network, QuantileLoss, mlp

rng = np.random.default_rng(0)
x = rng.uniform(-3, 3, (2000, 1))
y = np.sin(x) + rng.standard_normal((2000, 1)) * (0.1 + 0.2 * np.abs(x))

output = mlp(Data(shape=(None, 1)), [32, 32], 3, seed=0)
network = Network(QuantileLoss(output, quantile=(0.05, 0.5, 0.95)))
network.fit(x[:1500], y[:1500], optimizer=Adam(0.005), epochs=40, batch_size=50, seed=0)

low, middle, high = network.predict(x[1500:]).T
inside = (low <= y[1500:, 0]) & (y[1500:, 0] <= high)
print(f"{inside.mean():.0%} of the test rows lie inside their 90 % interval")

# %%
# The interval is wide where the noise is strong:
line = np.linspace(-3, 3, 200)[:, np.newaxis]
low, middle, high = network.predict(line).T
figure, ax = plt.subplots(figsize=(7, 4))
ax.scatter(x[1500:], y[1500:], s=8, alpha=0.5, label="test rows")
ax.fill_between(line[:, 0], low, high, alpha=0.3, label="5 % to 95 %")
ax.plot(line[:, 0], middle, label="median")
ax.legend()
figure.tight_layout()
