"""Estimators as reports: how good a model is on some rows, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from pysmorch.encoders import Encoder
from pysmorch.prediction.files import is_path, read_features, read_labelled
from pysmorch.prediction.one_model import of_one_model

if TYPE_CHECKING:
    from pysmorch.advice.comparison import Comparison
    from pysmorch.reporting import Report


class Reportable:
    """What every estimator can put on a page."""

    encoder_: Encoder

    def _check_fitted(self) -> None:
        raise NotImplementedError

    @of_one_model
    def report(
        self,
        X: Any,
        y: ArrayLike | str | None = None,
        sample_weight: ArrayLike | str | None = None,
        name: str | None = None,
        split: str = "",
        remarks: Sequence[str] = (),
        baselines: Comparison | None = None,
    ) -> Report:
        """Return a report on the model as one page of HTML: `model.report(X, y).save("report.html")`.

        It has data, training, measures, mistakes, probabilities or intervals, importance of columns, the network, settings and versions;
        docs/report.md says what is in it, and how much of large data.

        Parameters
        ----------
        X : array-like, data frame or path
            Rows as for `predict`, best those that were not trained on. Of more than 50,000 so many are drawn at random.
        y : array-like of shape (N,), or (N, K), or str, default=None
            Their labels; of a path the name of their column. None where they are not known: all that is measured is then left out.
        sample_weight : array-like of shape (N,) or str, default=None
            Weights of the rows, for what is measured; of a path also the name of their column.
        name : str, default=None
            What the model is called; None for the name of its class.
        split : str, default=""
            How these rows were held out of the training, in sentences.
        remarks : sequence of str, default=()
            What deserves attention, such as `pysmorch.advise` returns.
        baselines : Comparison, default=None
            Simpler models on the same rows, from `pysmorch.compare_with_baselines`.

        Returns
        -------
        Report
            A notebook displays it, and `save` writes it.

        Raises
        ------
        ImportError
            Without Jinja2, which the extra "report" has.
        NotFittedError, ValueError, TypeError
            Before `fit`, and for data that do not fit.
        """
        from pysmorch.reporting import About, report_on

        self._check_fitted()
        about = About(str(X) if is_path(X) else "", split, remarks, baselines)
        if is_path(X) and y is not None:
            X, y, sample_weight = read_labelled(X, y, sample_weight, getattr(self, "classes_", None))
            X = X.select(self.encoder_.names)
        elif is_path(X):
            X = read_features(X, self.encoder_)
        return report_on({name or type(self).__name__.removeprefix("Loaded"): self}, X, y, sample_weight, about)
