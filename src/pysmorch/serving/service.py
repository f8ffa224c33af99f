"""A model as a service: what it takes, what it answers, and the work of one request."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pysmorch.prediction.classifier import ClassifierModel
from pysmorch.prediction.conformal import radius_of
from pysmorch.prediction.predicted import predict_all
from pysmorch.serving.answers import as_json, as_table
from pysmorch.serving.inputs import JSON, Inputs, Rows, inputs_of, problem_of
from pysmorch.serving.limits import UNPACKED, Limits
from pysmorch.serving.problems import Problem
from pysmorch.sources.limits import set_max_memory
from pysmorch.version import __version__

COVERAGE = 0.9
"""Of intervals and sets where a request does not say another."""


@dataclass(frozen=True)
class Wanted:
    """What a request wants to know of its rows.

    Attributes
    ----------
    answer : str, default=JSON
        The type of the answer.
    explain : bool, default=False
        Whether the reasons are wanted.
    of : str or None, default=None
        The class, quantile or target that is explained; None for what is predicted.
    coverage : float or None, default=None
        Of intervals and sets; None for `COVERAGE` where the model has them.
    """

    answer: str = JSON
    explain: bool = False
    of: str | None = None
    coverage: float | None = None


class Service:
    """A model that answers requests from any number of threads.

    Parameters
    ----------
    model : Classifier or Regressor
        Fitted.
    limits : Limits
        Of each request.
    title : str
        What the model is called.
    """

    def __init__(self, model: Any, limits: Limits, title: str) -> None:
        self.model, self.limits, self.title = model, limits, title
        self.inputs: Inputs = inputs_of(model)
        self.classifies = issubclass(type(model), ClassifierModel)  # `isinstance` would import scikit-learn
        self.outputs: list[Any] = model._output_names()
        self.coverage = COVERAGE if self._reaches(COVERAGE) else None
        self.no_reasons = self._try()

    def _reaches(self, coverage: float) -> bool:
        """Whether the model has sets or intervals of a coverage."""
        if self.classifies and self.model._multilabel:
            return False
        try:
            radius_of(self.model, coverage)
        except ValueError:
            return False
        return True

    def _try(self) -> str:
        """Predict and explain usual rows, so that all is compiled and loaded; return why nothing can be explained, else nothing."""
        X = self.inputs.typical()
        predict_all(self.model, X, self.coverage)
        try:
            self.model.explain(X, self._explained(None))
        except ValueError as error:
            return str(error)
        return ""

    @cached_property
    def needs_of(self) -> bool:
        """Whether a request must say which output is explained, since there are several and none is the predicted one."""
        return len(self.outputs) > 1 and (not self.classifies or self.model._multilabel)

    def _explained(self, of: str | None) -> Any:
        """Return the output that is explained; None for the predicted class."""
        if of is None:
            return self.outputs[len(self.outputs) // 2] if self.needs_of else None
        named = {str(name): name for name in self.outputs}
        if of not in named:
            raise Problem(400, f"of must be one of {', '.join(list(named)[:20])}, but is {of!r}")
        return named[of]

    def check(self, wanted: Wanted) -> None:
        """Raise Problem for what the model cannot say of any row.

        Parameters
        ----------
        wanted : Wanted
            From the address of a request.
        """
        if wanted.coverage is not None:
            if self.classifies and self.model._multilabel:
                raise Problem(
                    400, "coverage is for intervals and sets of classes, but the model has several labels a row"
                )
            try:
                radius_of(self.model, wanted.coverage)
            except ValueError as error:
                raise Problem(400, str(error)) from None
        if wanted.explain and self.no_reasons:
            raise Problem(400, f"explain: {self.no_reasons}")
        if wanted.explain and wanted.answer != JSON:
            raise Problem(406, f"explanations are in {JSON}, but the header Accept wants {wanted.answer}")
        self._explained(wanted.of)

    def answer(self, kind: str, content: Any, wanted: Wanted) -> tuple[bytes, int]:
        """Return the answer to one request, and how many rows it is about.

        Parameters
        ----------
        kind : str
            The type of the body.
        content : bytes or list of (str, bytes)
            The body, or the names and contents of its files.
        wanted : Wanted
            Checked.

        Returns
        -------
        answer : bytes
            Of the type that is wanted.
        count : int
            The rows.

        Raises
        ------
        Problem
            What is wrong with the body, with the column and the row.
        """
        rows: Rows | None = None
        set_max_memory(UNPACKED * self.limits.body)
        try:
            rows = self.inputs.rows(kind, content)
            self.limits.check_rows(rows.count, wanted.explain)
            coverage = self.coverage if wanted.coverage is None else wanted.coverage
            predicted = predict_all(self.model, rows.X, coverage)
            explanation = self.model.explain(rows.X, self._explained(wanted.of)) if wanted.explain else None
        except (ValueError, TypeError, MemoryError, ArithmeticError, NotImplementedError) as error:
            raise problem_of(error, rows, self.inputs.fields) from error
        if wanted.answer == JSON:
            columns = [field.name for field in self.inputs.fields]
            return as_json(predicted, rows, explanation, columns), rows.count
        return as_table(predicted, wanted.answer), rows.count

    def describe(self) -> dict[str, Any]:
        """Return what the model takes and says as plain data, for the page and for programs."""
        notes = getattr(self.model, "notes_", {})
        facts: dict[str, Any] = {
            "title": self.title,
            "task": "classification" if self.classifies else "regression",
            "target": str(notes["target"]) if notes.get("target") is not None else None,
            "outputs": [str(name) for name in self.outputs],
            "coverage": self.coverage,
            "explains": not self.no_reasons,
            "input": self.inputs.kind,
            "version": __version__,
            "limits": {"body": self.limits.body, "rows": self.limits.rows, "explained": self.limits.explained},
        }
        return facts | self.inputs.describe()
