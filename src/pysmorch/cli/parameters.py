"""From options to the parameters of the estimators, and the choices that the help lists."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

from pysmorch.cli import networks
from pysmorch.cli.options import ParameterOptions, TrainOptions
from pysmorch.encoders.choices import check_choices
from pysmorch.encoders.columns import CHOICES
from pysmorch.layers.base import Array
from pysmorch.prediction.presets import PRESETS
from pysmorch.prediction.regressor import LOSSES
from pysmorch.prediction.thresholds import THRESHOLD_METRICS


def choices() -> dict[str, str]:
    """Return what the help lists, by name."""
    amounts = {name: augmentation.amount.upper() for name, augmentation in networks.AUGMENTATIONS.items()}
    return {
        "kinds": ", ".join(CHOICES),
        "presets": ", ".join(PRESETS),
        "losses": ", ".join(LOSSES),
        "thresholds": ", ".join(THRESHOLD_METRICS),
        "networks": ", ".join(networks.NETWORKS),
        "augmentations": ", ".join(f"{name}:{amount}" for name, amount in amounts.items()),
    }


def given(options: TrainOptions) -> dict[str, Any]:
    """Return the parameters that the user chose, by name; a fraction of rows for validation means that some are held out."""
    chosen = {field.name: getattr(options, field.name) for field in fields(ParameterOptions)}
    parse: dict[str, Callable[[Any], Any]] = {
        "hidden": parse_hidden,
        "columns": parse_columns,
        "class_weight": parse_class_weight,
        "quantile": parse_quantile,
        "threshold": parse_threshold,
    }
    parsed = {name: parse.get(name, _as_it_is)(value) for name, value in chosen.items() if value not in (None, [])}
    fraction = parse_fraction(options.validation)
    return parsed if fraction is None else {"early_stopping": True, "validation_fraction": fraction} | parsed


def check_task(chosen: dict[str, Any], estimator: Any, other: Any, task: str) -> None:
    """Refuse parameters that only the estimator of the other task has."""
    for name in chosen:
        if (name == "loss" and task == "classification") or (not hasattr(estimator(), name) and hasattr(other(), name)):
            raise ValueError(f"--{name.replace('_', '-')} is not for {task}; leave it out, or say another --task")
    if "quantile" in chosen and chosen.get("loss") != "quantile":
        raise ValueError("--quantile is for --loss quantile; add that")
    if "power" in chosen and chosen.get("loss") != "tweedie":
        raise ValueError("--power is for --loss tweedie; add that")


def match_classes(class_weight: Any, y: Array) -> Any:
    """Return class weights by the classes as they are in y, whose names were given as text."""
    if not isinstance(class_weight, dict):
        return class_weight
    known = {str(label): label for label in set(y.tolist())}
    for name in class_weight:
        if name not in known:
            raise ValueError(f"--class-weight: there is no class {name!r}; the classes are {', '.join(sorted(known))}")
    return {known[name]: factor for name, factor in class_weight.items()}


def match_costs(threshold: Any, y: Array) -> Any:
    """Return costs by the pairs of classes as they are in y; names may have colons, where that is clear."""
    if not isinstance(threshold, dict):
        return threshold
    known = {str(label): label for label in set(y.tolist())}
    costs = {}
    for text, cost in threshold.items():
        cuts = [i for i, letter in enumerate(text) if letter == ":" and text[:i] in known and text[i + 1 :] in known]
        if len(cuts) != 1:
            raise ValueError(
                f"--threshold: {text!r} is no right class and predicted class with a colon between; the classes are "
                f"{', '.join(sorted(known))}"
            )
        costs[known[text[: cuts[0]]], known[text[cuts[0] + 1 :]]] = cost
    return costs


def parse_threshold(texts: Sequence[str]) -> Any:
    """Return the name of a metric, a number, or the costs in texts such as ill:well=5, by what is before the equals sign."""
    if len(texts) == 1 and texts[0] in THRESHOLD_METRICS:
        return texts[0]
    if len(texts) == 1 and "=" not in texts[0]:
        try:
            return float(texts[0])
        except ValueError:
            pass
    costs: dict[str, float] = {}
    for text in texts:
        pair, equals, number = text.rpartition("=")
        try:
            cost = float(number) if equals else math.inf
        except ValueError:
            cost = math.inf
        if not math.isfinite(cost):
            raise ValueError(
                f"--threshold must be one of {', '.join(THRESHOLD_METRICS)}, a number between 0 and 1, or costs such as ill:well=5, "
                f"but is {text!r}"
            )
        costs[pair] = cost
    return costs


def parse_fraction(validation: str | None) -> float | None:
    """Return the number that `--validation` is; None where it names a source, or is not given."""
    try:
        return None if validation is None else float(validation)
    except ValueError:
        return None


def parse_hidden(hidden: str) -> tuple[int, ...]:
    """Return the widths in a text such as 256,128; 0 or nothing stands for no hidden layer."""
    try:
        widths = tuple(int(width) for width in hidden.split(",") if width.strip())
    except ValueError:
        widths = (-1,)
    if any(width < 0 for width in widths):
        raise ValueError(f"--hidden must be widths such as 256,128, but is {hidden!r}")
    return tuple(width for width in widths if width)


def parse_columns(texts: Sequence[str]) -> dict[str, str]:
    """Return the kinds of columns in texts such as zip=category; the name may have an equals sign, the kind has none."""
    kinds: dict[str, str] = {}
    for text in texts:
        name, equals, kind = text.rpartition("=")
        if not equals:
            raise ValueError(f"--column must be a column and its kind such as zip=category, but is {text!r}")
        if name in kinds:
            raise ValueError(f"--column {name} is given twice")
        try:
            check_choices({name: kind}, [name])
        except ValueError as error:
            raise ValueError(f"--column: {str(error).removeprefix('columns: ')}") from None
        kinds[name] = kind
    return kinds


def parse_class_weight(texts: Sequence[str]) -> Any:
    """Return "balanced", or the factors in texts such as yes=5."""
    if list(texts) == ["balanced"]:
        return "balanced"
    factors: dict[str, float] = {}
    for text in texts:
        name, equals, number = text.rpartition("=")
        try:
            factor = float(number) if equals else -1.0
        except ValueError:
            factor = -1.0
        if not 0 <= factor < float("inf"):
            raise ValueError(
                f"--class-weight must be balanced, or a class and a factor that is not negative such as yes=5, but is {text!r}"
            )
        factors[name] = factor
    return factors


def parse_quantile(text: str) -> float | tuple[float, ...]:
    """Return the quantile in a text such as 0.9, or those in 0.1,0.5,0.9."""
    try:
        quantiles = tuple(float(part) for part in text.split(","))
    except ValueError:
        quantiles = (-1.0,)
    if not all(0 < quantile < 1 for quantile in quantiles):
        raise ValueError(f"--quantile must be between 0 and 1, or several as in 0.1,0.9, but is {text!r}")
    return quantiles if len(quantiles) > 1 else quantiles[0]


def _as_it_is(value: Any) -> Any:
    return value
