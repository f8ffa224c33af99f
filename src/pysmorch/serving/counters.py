"""Counts of a service, in memory that its workers share, and as text for Prometheus."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping

import numpy as np

PATHS = ("/predict", "/model", "/openapi.json", "/health", "/metrics", "page")
"""Whose requests are counted; "page" stands for all else."""

STATUSES = (200, 304, 400, 401, 403, 404, 405, 406, 408, 413, 415, 422, 500, 503)
"""Which are counted on their own; others count as the next lower one."""

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, float("inf"))
"""Upper bounds in seconds of the classes of the histogram."""

OTHERS = ("seconds", "rows", "in_flight", "busy")
"""What else is counted: seconds of requests for predictions, rows predicted, requests in flight, and those that were sent away."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Counters:
    """Counts of each worker, which alone changes them; the sum over the workers is shown.

    Parameters
    ----------
    workers : int, default=1
        How many there are; each is a process that is forked after this object was made.
    """

    def __init__(self, workers: int = 1) -> None:
        width = len(PATHS) * len(STATUSES) + len(BOUNDS) + len(OTHERS)
        shared = mmap.mmap(-1, workers * width * np.dtype(np.float64).itemsize)
        self._all = np.frombuffer(shared, np.float64).reshape(workers, width)
        self.use(0)

    def use(self, worker: int) -> None:
        """Count for a worker from now on; what an earlier one with this number had in flight is gone.

        Parameters
        ----------
        worker : int
            Its number.
        """
        own = self._all[worker]
        split = len(PATHS) * len(STATUSES)
        self._requests = own[:split].reshape(len(PATHS), len(STATUSES))
        self._seconds = own[split : split + len(BOUNDS)]
        self._others = own[split + len(BOUNDS) :]
        self._others[OTHERS.index("in_flight")] = 0

    def add(self, name: str, count: float) -> None:
        """Add to one of `OTHERS`.

        Parameters
        ----------
        name : str
            Which.
        count : float
            How much.
        """
        self._others[OTHERS.index(name)] += count

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Count an answer.

        Parameters
        ----------
        path : str
            Of the request.
        status : int
            Of the answer.
        seconds : float
            From the first byte of the request's header to the last one of the answer.
        """
        row = PATHS.index(path) if path in PATHS else len(PATHS) - 1
        column = max(int(np.searchsorted(STATUSES, status, side="right")) - 1, 0)
        self._requests[row, column] += 1
        if path == PATHS[0]:
            self.add("seconds", seconds)
            self._seconds[int(np.searchsorted(BOUNDS, seconds))] += 1

    def as_text(self, model: Mapping[str, str]) -> str:
        """Return all counts in the text format of Prometheus.

        Parameters
        ----------
        model : mapping of str to str
            What is said of the model.

        Returns
        -------
        str
            Sums over the workers.
        """
        return "\n".join(self._lines(model)) + "\n"

    def _lines(self, model: Mapping[str, str]) -> Iterator[str]:
        total = self._all.sum(axis=0)
        split = len(PATHS) * len(STATUSES)
        others = dict(zip(OTHERS, total[split + len(BOUNDS) :].tolist(), strict=True))
        yield from _head("requests_total", "counter", "Answers by path and status.")
        for path, counts in zip(PATHS, total[:split].reshape(len(PATHS), -1).tolist(), strict=True):
            for status, count in zip(STATUSES, counts, strict=True):
                if count:
                    yield f'pysmorch_requests_total{{path="{path}",status="{status}"}} {count:.0f}'
        yield from _head("prediction_seconds", "histogram", "Seconds from a request for predictions to its answer.")
        cumulated = np.cumsum(total[split : split + len(BOUNDS)]).tolist()
        for bound, count in zip(BOUNDS, cumulated, strict=True):
            text = "+Inf" if bound == float("inf") else f"{bound:g}"
            yield f'pysmorch_prediction_seconds_bucket{{le="{text}"}} {count:.0f}'
        yield f"pysmorch_prediction_seconds_sum {others['seconds']:.6f}"
        yield f"pysmorch_prediction_seconds_count {cumulated[-1]:.0f}"
        yield from _head("rows_total", "counter", "Rows that were predicted.")
        yield f"pysmorch_rows_total {others['rows']:.0f}"
        yield from _head("requests_in_flight", "gauge", "Requests that are being answered.")
        yield f"pysmorch_requests_in_flight {others['in_flight']:.0f}"
        yield from _head(
            "requests_sent_away_total", "counter", "Requests that were sent away, since others were in flight."
        )
        yield f"pysmorch_requests_sent_away_total {others['busy']:.0f}"
        yield from _head("model_info", "gauge", "The model that is served.")
        labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in model.items())
        yield f"pysmorch_model_info{{{labels}}} 1"


def _head(name: str, kind: str, help_: str) -> Iterator[str]:
    yield f"# HELP pysmorch_{name} {help_}"
    yield f"# TYPE pysmorch_{name} {kind}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
