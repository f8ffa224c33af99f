"""
Probabilities, sets and intervals that hold
===========================================

Probabilities are calibrated on held-out rows. Sets of classes and intervals from further rows contain the truth as often as requested.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.model_selection import train_test_split

from pysmorch import Classifier, Regressor

X, y = load_breast_cancer(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.4, random_state=0)
model = Classifier(preset="fast", conformal_fraction=0.3, random_state=0).fit(X_train, y_train)
sets = model.predict_set(X_test, coverage=0.95)
print(
    f"{sets[np.arange(len(y_test)), y_test].mean():.1%} of the sets have the true class; they have {sets.sum(axis=1).mean():.2f} on average"
)

# %%
# An interval for each row of a regression:
X, y = load_diabetes(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.4, random_state=0)
model = Regressor(preset="fast", conformal_fraction=0.3, random_state=0).fit(X_train, y_train)
low, high = np.transpose(model.predict_interval(X_test, coverage=0.9))
print(
    f"{((low <= y_test) & (y_test <= high)).mean():.1%} of the test rows lie in their interval, of which 90 % were requested"
)

order = np.argsort(model.predict(X_test))
figure, ax = plt.subplots(figsize=(7, 4))
ax.fill_between(range(len(order)), low[order], high[order], alpha=0.3, label="interval")
ax.plot(y_test[order], ".", label="truth")
ax.set_xlabel("test rows, by their prediction")
ax.legend()
figure.tight_layout()
