"""A report: one or several models on some rows, as a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pysmorch.files.writing import write_whole
from pysmorch.reporting import beside, of_classes, of_data, of_errors, of_model, of_numbers, of_reasons, of_training
from pysmorch.reporting.content import Remarks, Section, Table, Tile, Tiles, Words, share
from pysmorch.reporting.measured import TITLES, Measured, Rows, measured, rows_of, shown_value
from pysmorch.reporting.page import page

if TYPE_CHECKING:
    from pysmorch.advice.comparison import Comparison

MOST_MODELS = 6
"""Models that are compared in one report."""

MOST_IMAGES = 24
"""Images in a report."""

IN_TILES = {
    "classes": ("accuracy", "balanced_accuracy", "auc", "log_loss", "ece"),
    "labels": ("accuracy", "f1", "auc", "log_loss", "ece"),
    "numbers": ("r2", "rmse", "mae", "median_absolute_error"),
}
AS_SHARES = ("accuracy", "balanced_accuracy")


@dataclass(frozen=True)
class About:
    """What is known besides a model and rows.

    Parameters
    ----------
    source : str, default=""
        What the rows are called.
    split : str, default=""
        How these rows were held out of the training, in sentences.
    remarks : sequence of str, default=()
        What deserves attention, such as `advise` returns.
    baselines : Comparison, default=None
        Simpler models on the same rows, from `compare_with_baselines`.
    without_baselines : str, default=""
        Why there are none of them.
    seconds : float, default=None
        How long the training took; None for what the model says.
    paths : mapping of str to str, default={}
        The file of each model, by its name.
    name_of : callable, default=None
        Returns the name of a row by its index; None for "row 3".
    unlabelled : str, default=""
        Why there are no right answers, where there are none.
    """

    source: str = ""
    split: str = ""
    remarks: Sequence[str] = ()
    baselines: Comparison | None = None
    without_baselines: str = ""
    seconds: float | None = None
    paths: Mapping[str, str] = field(default_factory=dict)
    name_of: Callable[[int], str] | None = None
    unlabelled: str = ""


class Report:
    """A report as one page of HTML, which needs no other file and no network; a notebook displays it.

    Parameters
    ----------
    html : str
        The page.
    """

    def __init__(self, html: str) -> None:
        self.html = html

    def save(self, path: str | Path) -> None:
        """Write the page into a file, whole or not at all; an older one is replaced.

        Parameters
        ----------
        path : str or Path
            The file, such as "report.html".

        Raises
        ------
        OSError
            The file cannot be written; an older one is then as it was.
        """
        content = self.html.encode("utf-8")
        write_whole(path, lambda file: file.write(content))

    def _repr_html_(self) -> str:
        """Return the page in a frame of its own, so that its style is not that of the notebook."""
        return f'<iframe title="Report" style="width:100%;height:80vh;border:0" srcdoc="{escape(self.html)}"></iframe>'

    def __repr__(self) -> str:
        return f"<Report: a page of {len(self.html.encode('utf-8')):,} bytes; save(path) writes it>"


def report_on(
    models: Mapping[str, Any], X: Any, y: Any = None, sample_weight: Any = None, about: About | None = None
) -> Report:
    """Return a report on one model, or on several that are compared on the same rows.

    Parameters
    ----------
    models : mapping of str to Classifier or Regressor
        Fitted models by the names that they have in the report; all tell the same classes apart, or predict as many numbers.
    X : array-like, data frame, or dict of these by the names of the models
        Rows, best those that were not trained on. Of more than 50,000 so many are drawn at random.
    y : array-like, default=None
        Their labels; None where they are not known, and then all that is measured is left out.
    sample_weight : array-like of shape (N,), default=None
        Weights of the rows, for what is measured.
    about : About, default=None
        What else is known.

    Returns
    -------
    Report
        The page.

    Raises
    ------
    ImportError
        Without Jinja2, which the extra "report" has.
    ValueError, TypeError
        For data that do not fit, and for models that cannot be compared.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from pysmorch import Classifier
    >>> X, y = load_iris(return_X_y=True)
    >>> small, large = (Classifier([n], members=1, epochs=5, random_state=0).fit(X[::2], y[::2]) for n in (4, 32))
    >>> report_on({"small": small, "large": large}, X[1::2], y[1::2]).html[:15]
    '<!DOCTYPE html>'
    """
    about = about or About()
    check_alike(models)
    inputs = X if isinstance(X, dict) else dict.fromkeys(models, X)
    num_outputs = max(model._num_outputs() for model in models.values())
    given = {name: rows_of(inputs[name], y, sample_weight, about.name_of, num_outputs) for name in models}
    found = [measured(name, model, given[name]) for name, model in models.items()]
    rows = given[found[0].name]
    most_images = MOST_IMAGES // len(found)
    parts = [(one.name, sections(one, rows, about, most_images)) for one in found]
    comparison = Section("comparison", "Comparison", beside.compared(found)) if len(found) > 1 else None
    return Report(page(_title(found), _subtitle(found, rows, about), comparison, parts))


def check_alike(models: Mapping[str, Any]) -> None:
    """Refuse models that cannot be compared, and those that are not fitted.

    Parameters
    ----------
    models : mapping of str to Classifier or Regressor
        By their names.

    Raises
    ------
    NotFittedError, ValueError
        Says which ones differ in what.
    """
    if not 1 <= len(models) <= MOST_MODELS:
        raise ValueError(f"models must be 1 to {MOST_MODELS} models, but there are {len(models)}")
    for model in models.values():
        model._check_fitted()
    names = list(models)
    first = models[names[0]]
    for name in names[1:]:
        if _kind(models[name]) != _kind(first):
            raise ValueError(
                f"models are compared on the same right answers, but {names[0]} predicts {_kind(first)} and {name} {_kind(models[name])}"
            )


def _kind(model: Any) -> str:
    if not hasattr(model, "classes_"):
        return f"{model.n_outputs_} numbers a row"
    known = ", ".join(map(str, model.classes_.tolist()[:10])) + (
        f" and {len(model.classes_) - 10} more" if len(model.classes_) > 10 else ""
    )
    return f"{'labels' if model._multilabel else 'classes'} {known}"


def _title(found: Sequence[Measured]) -> str:
    return f"Report on {found[0].name}" if len(found) == 1 else f"{' and '.join(one.name for one in found)} compared"


def _subtitle(found: Sequence[Measured], rows: Rows, about: About) -> str:
    one = found[0]
    task = "regression" if one.task == "numbers" else f"{len(one.outputs):,} {one.task}"
    which = f" of {about.source}" if about.source else ""
    return f"{type(one.model).__name__.removeprefix('Loaded')}, {task}, on {rows.total:,} row{'s' * (rows.total != 1)}{which}"


def sections(one: Measured, rows: Rows, about: About, most_images: int) -> list[Section]:
    """Return the parts of the report on one model.

    Parameters
    ----------
    one : Measured
        The model on the rows.
    rows : Rows
        All of them.
    about : About
        What else is known.
    most_images : int
        How many images there are at most.

    Returns
    -------
    list of Section
        In their order.
    """
    seconds = about.seconds
    history = getattr(one.model, "history_", None)
    if seconds is None and history is not None and "seconds" in history:
        seconds = sum(history["seconds"])
    known = one.codes is not None and len(one.rows) > 0
    found = of_reasons.reasons(one)
    parts = [
        Section("overview", "Overview", _overview(one, rows, about)),
        Section("data", "Data", of_data.summary(one)),
        Section("training", "Training", [*_split(one, about), *of_training.curves(one.model, seconds)]),
    ]
    if known:
        parts += _of_task(one)
        parts.append(Section("errors", "Worst errors", of_errors.worst(one, found.first, most_images)))
    elif len(one.rows):
        blocks = of_numbers.values(one) if one.task == "numbers" else of_classes.guesses(one)
        parts.append(Section("predictions", "Predictions", blocks))
    parts.append(Section("reasons", "What it looks at", found.blocks))
    parts.append(Section("baselines", "Simpler models", _baselines(about)))
    path = about.paths.get(one.name, "model.safetensors")
    parts += [
        Section("network", "Network", of_model.network(one.model)),
        Section(
            "settings",
            "Settings and cost",
            [*of_model.costs(one, seconds), *of_model.parameters(one.model), *of_model.versions()],
        ),
        Section("use", "How to use it", of_model.usage(one.model, path)),
    ]
    return parts


def _overview(one: Measured, rows: Rows, about: About) -> list[Any]:
    values, constant = one.values, one.of_constant()
    tiles = []
    for name in IN_TILES[one.task]:
        if name not in values:
            continue
        shown = share(values[name]) if name in AS_SHARES else shown_value(name, values[name])
        note = ""
        if name in constant:
            always = {"accuracy": "always the most frequent class", "log_loss": "always the frequencies"}.get(
                name, "always the mean"
            )
            note = f"{always}: {share(constant[name]) if name in AS_SHARES else shown_value(name, constant[name])}"
        tiles.append(Tile(TITLES[name][0].upper() + TITLES[name][1:], shown, note))
    blocks: list[Any] = [Tiles(tiles)] if tiles else []
    left_out = _left_out(one, rows, about)
    remarks = [f"{remark[:1].upper()}{remark[1:].rstrip('.')}." for remark in about.remarks]
    if remarks:
        blocks.append(Remarks(remarks))
    blocks += [Words(words) for words in left_out]
    if one.rows.weights is not None:
        blocks.append(
            Words(
                "What is measured counts the rows by their weights; tables of confusions and pictures count each row once."
            )
        )
    return blocks


def _left_out(one: Measured, rows: Rows, about: About) -> list[str]:
    """Return what is not in the report, and why."""
    said = []
    if len(rows) < rows.total:
        said.append(
            f"Of {rows.total:,} rows {len(rows):,} were drawn at random (seed 0); all in this report is of these."
        )
    if one.not_finite:
        said.append(
            f"{one.not_finite:,} of {len(rows):,} rows are left out, since what is predicted for them is not finite (NaN or infinite): "
            "the weights of the network, or the numbers of these rows, are."
        )
    if one.codes is None:
        why = about.unlabelled or "no right answers were given"
        said.append(
            f"Left out are measures, errors, calibration and importance: {why}. What is in this report is what can be said without them."
        )
    elif one.task == "classes" and len(set(one.codes.tolist())) == 1:
        name = one.outputs[int(one.codes[0])]
        said.append(f"All rows are of one class, {name}: areas and curves that compare classes are left out.")
    return said


def _split(one: Measured, about: About) -> list[Any]:
    blocks = [
        Words(
            about.split
            or "How the rows of this report were chosen is not known here: they say how good the model is on new rows only if it was not trained on them."
        )
    ]
    model = one.model
    if model.conformal_fraction:
        blocks.append(
            Words(f"{share(model.conformal_fraction)} of the training rows were set aside for intervals and sets.")
        )
    if model.validation_curve_:
        blocks.append(
            Words("Validation rows, which were not trained on, chose the epochs: their loss is in the picture.")
        )
    return blocks


def _of_task(one: Measured) -> list[Section]:
    """Return what is measured of classes, labels or numbers."""
    values, constant = one.values, one.of_constant()
    table = Table(
        "What is measured",
        ["measure", "value", "always the same guess"],
        [
            [TITLES[name], shown_value(name, value), shown_value(name, constant[name]) if name in constant else ""]
            for name, value in values.items()
        ],
    )
    if one.task == "numbers":
        return [
            Section("figures", "How good it is", [table, *of_numbers.of_each_target(one), *of_numbers.residuals(one)]),
            Section("intervals", "Intervals", of_numbers.intervals(one)),
        ]
    which = of_classes.confusion(one) if one.task == "classes" else []
    return [
        Section("figures", "How good it is", [table, *which, *of_classes.of_each_class(one)]),
        Section(
            "probabilities", "Rankings and probabilities", [*of_classes.rankings(one), *of_classes.calibration(one)]
        ),
    ]


def _baselines(about: About) -> list[Any]:
    if about.baselines is not None:
        return beside.simpler(about.baselines)
    why = about.without_baselines or (
        "they are trained on the rows of the training, which are not known here; pysmorch report --training names them, "
        "and in Python compare_with_baselines trains them"
    )
    return [Words(f"Simpler models are left out: {why}.")]
