"""What tabular.py computes: scores of predictions, ranks and normalised scores of columns, and intervals over tables."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm, rankdata
from sklearn.metrics import r2_score, roc_auc_score
from small_tables import calibration_error, log_loss

BINS = 15
"""Of the expected calibration error."""
LEVELS = (np.arange(20) + 0.5) / 20
"""Of the quantiles that the continuous ranked probability score is made of, the middles of 20 equal intervals."""
DRAWS = 2000
"""Of the tables, with replacement, for an interval."""


def scores_of_classes(y: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """Error, log loss, area under the ROC curve (the mean over one class against the others) and calibration error."""
    if not np.isfinite(p).all():
        raise ValueError("probabilities that are no finite numbers")
    p = p / p.sum(1, keepdims=True)
    auc = roc_auc_score(y, p[:, 1]) if p.shape[1] == 2 else roc_auc_score(y, p, multi_class="ovr")
    return {
        "error": float((p.argmax(1) != y).mean()),
        "log_loss": log_loss(y, p),
        "auc": float(auc),
        "calibration_error": calibration_error(y, p, BINS),
    }


def scores_of_numbers(y: np.ndarray, found: np.ndarray, quantiles: np.ndarray | None, scale: float) -> dict[str, float]:
    """Root mean square error and CRPS as multiples of a scale, and R²; points alone get the quantiles of a normal distribution."""
    if not np.isfinite(found).all():
        raise ValueError("estimates that are no finite numbers")
    if quantiles is None:
        quantiles = normal_quantiles(y, found)
    return {
        "rmse": float(np.sqrt(np.mean((y - found) ** 2)) / scale),
        "r2": float(r2_score(y, found)),
        "crps": crps(y, quantiles) / scale,
    }


def normal_quantiles(y: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Quantiles at LEVELS around points: each half of the rows takes the deviation from the residuals of the other half."""
    residuals, first = y - found, np.arange(len(y)) % 2 == 0
    deviation = np.where(first, *(np.sqrt(np.mean(residuals[half] ** 2)) for half in (~first, first)))
    return found[:, None] + deviation[:, None] * norm.ppf(LEVELS)


def crps(y: np.ndarray, quantiles: np.ndarray) -> float:
    """The continuous ranked probability score: twice the mean pinball loss over the quantiles at LEVELS."""
    distance = y[:, None] - quantiles
    return float(2 * np.maximum(LEVELS * distance, (LEVELS - 1) * distance).mean())


def ranks(values: np.ndarray) -> np.ndarray:
    """The rank of each column on each table, (tables, columns); 1 is the lowest value, equal ones share the mean of their ranks."""
    return rankdata(values, axis=1)


def normalised(values: np.ndarray) -> np.ndarray:
    """1 for the lowest value of a table and 0 for the median of its columns and what is above, linear between."""
    finite = np.where(np.isfinite(values), values, np.nan)
    worst = np.nanmax(finite, axis=1, keepdims=True)
    best, median = np.nanmin(finite, axis=1, keepdims=True), np.median(np.fmin(values, worst), axis=1, keepdims=True)
    gap = median - best
    return np.where(values <= best, 1.0, np.clip((median - np.fmin(values, worst)) / np.where(gap > 0, gap, 1), 0, 1))


def interval(values: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """The interval that holds the mean of values in 95 % of the draws of tables."""
    drawn = np.random.default_rng(seed).integers(0, len(values), (DRAWS, len(values)))
    lower, upper = np.quantile(values[drawn].mean(1), [0.025, 0.975])
    return float(lower), float(upper)


def mean_ratio(values: np.ndarray, base: np.ndarray) -> float:
    """The geometric mean of values / base over the tables on which both are known."""
    known = np.isfinite(values) & np.isfinite(base) & (values > 0) & (base > 0)
    return float(np.exp(np.log(values[known] / base[known]).mean())) if known.any() else float("nan")
