"""
Two moons, and what a network makes of them
===========================================

A classifier with two hidden layers, its decision boundary, and the diagram of its network.
"""

from sklearn.datasets import make_moons

from pysmorch import Classifier, plots

X, y = make_moons(400, noise=0.2, random_state=0)
model = Classifier(hidden=(16, 16), preset="fast", random_state=0).fit(X[:300], y[:300])
print(f"{model.score(X[300:], y[300:]):.1%} of the test rows are right")
boundary = plots.decision_boundary(model, X, y)

# %%
# The loss of training and validation data, epoch by epoch:
curves = plots.loss_curves(model.history_)
