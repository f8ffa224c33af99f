"""
Why a model predicts what it predicts
=====================================

A regressor for the progress of diabetes: which columns matter, how the prediction changes with one of them, and the reasons for one row.
"""

from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

from pysmorch import Regressor, plots

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
model = Regressor(preset="fast", random_state=0).fit(X_train, y_train)
print(f"R2 on test rows: {model.score(X_test, y_test):.2f}")

importance = model.importance(X_test, y_test)
print(importance)
by_column = plots.importance(importance)

# %%
# How the prediction changes with the body mass index, all else as it is:
dependence = plots.partial_dependence(model.partial_dependence(X_test, "bmi"))

# %%
# The reasons for the prediction of one row; they sum to its difference from the prediction of a mean row:
explanation = model.explain(X_test[:1])
print(explanation)
one_row = plots.explanation(explanation)
