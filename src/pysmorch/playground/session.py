"""A session: the network of one tab, which a thread of its own trains and draws."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pysmorch.layers.graph import graph
from pysmorch.network import Network
from pysmorch.playground.code import as_code
from pysmorch.playground.pictures import Pictures, drawable, points_on_page, thinned
from pysmorch.playground.points import Points
from pysmorch.playground.settings import Settings, read_settings
from pysmorch.playground.steps import backward_pass
from pysmorch.playground.uploads import Table, table_of
from pysmorch.training import Training

Message = dict[str, Any]

MOST_EPOCHS = 20_000
"""A training ends after so many epochs."""
MOST_WAITING = 32
"""So many requests wait at most; then whoever asks waits, too."""
PICTURES_A_SECOND = 12
WAIT = 1.0
"""Seconds until a thread without requests looks whether its session was closed, if nothing has woken it."""
PACES = (5, 50, 100_000)
"""Epochs in a second at most: slow, normal, as fast as it goes."""


class Session:
    """One network and its training. All of it happens in one thread, in the order of the requests, so that nothing is stale.

    Each answer has the generation of the settings that it belongs to, by which the page tells what it still waits for.

    Parameters
    ----------
    answer : callable
        Called with each message for the page, from the thread.
    """

    def __init__(self, answer: Callable[[Message], None]) -> None:
        self._answer = answer
        self._requests: queue.Queue[Message] = queue.Queue(MOST_WAITING)
        self._closed = threading.Event()
        self._table: Table | None = None
        self._generation = 0
        self._pace = PACES[1]
        self._epochs_left = 0
        self._drawn_at = 0.0
        self._interrupting: Message | None = None
        self._begin(Settings())
        self._thread = threading.Thread(target=self._work, name="playground session", daemon=True)
        self._thread.start()

    def ask(self, request: Message) -> None:
        """Hand over a request; waits while too many are waiting.

        Parameters
        ----------
        request : dict
            Decoded JSON with "do": "set", "train", "pause", "reset", "backward" or "code".
        """
        while not self._closed.is_set():
            try:
                self._requests.put(request, timeout=0.1)
                return
            except queue.Full:
                continue

    def upload(self, name: str, content: bytes) -> Message:
        """Read a CSV file, which a later "set" with data="upload" takes.

        Parameters
        ----------
        name : str
            What it is called.
        content : bytes
            All of it.

        Returns
        -------
        dict
            Its columns, and which are proposed.

        Raises
        ------
        ValueError
            Says in one line what is wrong with it.
        """
        table = table_of(name, content)
        self._table = table
        return {
            "name": name,
            "numbers": list(table.numbers),
            "columns": table.columns,
            "features": table.default_features,
            "target": table.default_target,
        }

    def close(self) -> None:
        """Let the thread end after the epoch that it is in; does not wait for that."""
        self._closed.set()
        with suppress(queue.Full):
            self._requests.put_nowait({})  # wakes the thread if it waits

    def join(self) -> None:
        """Wait until the thread has ended."""
        self._thread.join()

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    # What follows runs in the thread.

    def _work(self) -> None:
        try:
            while not self._closed.is_set():
                request = self._interrupting or self._next(WAIT)
                self._interrupting = None
                if request is not None:
                    self._do(request)
                if self._epochs_left:
                    self._train()
        finally:
            self._answer({"kind": "end"})

    def _next(self, seconds: float) -> Message | None:
        """Return the next request, or None if there is none within some seconds, or the session is closed."""
        try:
            request = self._requests.get(timeout=seconds) if seconds > 0 else self._requests.get_nowait()
        except queue.Empty:
            return None
        return None if self._closed.is_set() else request

    def _do(self, request: Message) -> None:
        try:
            action = request.get("do")
            if action == "set":
                self._set(request)
            elif action == "reset":
                self._epochs_left = 0
                self._begin(self._settings, self._data)
                self._draw()
            elif action == "train":
                self._start_training(request)
            elif action == "pause":
                self._epochs_left = 0
                self._draw()
            elif action == "backward":
                self._answer({"kind": "steps", "generation": self._generation, **self._steps()})
            elif action == "code":
                file = "" if self._table_of_data is None else self._table_of_data.name
                code = as_code(self._settings, self._data, self._epoch, file)
                self._answer({"kind": "code", "generation": self._generation, "code": code})
            else:
                raise ValueError(f"do must be set, train, pause, reset, backward or code, but is {action!r}")
        except (ValueError, ArithmeticError) as error:
            self._refuse(error, str(request.get("do")))

    def _refuse(self, error: Exception, what: str) -> None:
        """Tell the page what went wrong with a request; a training has then ended."""
        self._epochs_left = 0
        self._answer({"kind": "error", "of": what, "message": " ".join(str(error).split())})
        self._draw()

    def _set(self, request: Message) -> None:
        generation = request.get("generation")
        if isinstance(generation, bool) or not isinstance(generation, int):
            raise ValueError(f"generation must be a whole number, but is {generation!r}")
        settings = read_settings(request.get("settings"))
        same_table = self._table is self._table_of_data
        if self._epoch and same_table and self._settings.same_network(settings):
            self._continue(settings)
        else:
            self._begin(settings)
        self._generation = generation
        self._answer({"kind": "points", "generation": generation, **points_on_page(self._data)})
        self._draw()

    def _begin(self, settings: Settings, data: Points | None = None) -> None:
        """Make a new network, and the data where they are not the same."""
        self._data = settings.make_points(self._table) if data is None else data
        self._table_of_data = self._table
        self._settings = settings
        self._epoch = 0
        self._curves: dict[str, list[float]] = {"loss": [], "val_loss": []}
        self._last: dict[str, float] = {}
        self._use(settings.make_network(self._data))

    def _continue(self, settings: Settings) -> None:
        """Train in another way from now on, with the weights of the network as they are."""
        network = settings.make_network(self._data)
        _copy_weights(self._network, network)
        self._settings = settings
        self._use(network)

    def _use(self, network: Network) -> None:
        self._network = network
        self._optimizer = self._settings.make_optimizer()
        self._pictures = Pictures(network, self._data)

    def _start_training(self, request: Message) -> None:
        epochs = request.get("epochs", MOST_EPOCHS)
        if isinstance(epochs, bool) or not isinstance(epochs, int) or not 1 <= epochs <= MOST_EPOCHS:
            raise ValueError(f"epochs must be a whole number from 1 to {MOST_EPOCHS}, but is {epochs!r}")
        pace = request.get("pace", self._pace)
        if pace not in PACES:
            raise ValueError(f"pace must be one of {', '.join(map(str, PACES))}, but is {pace!r}")
        self._pace = pace
        self._epochs_left = max(0, min(epochs, MOST_EPOCHS - self._epoch))
        if not self._epochs_left:
            raise ValueError(f"epochs: {MOST_EPOCHS} are the most; start again with new weights")

    def _train(self) -> None:
        """Train until a request needs another fit; a pause is within the fit, so that it goes on as if there had been none."""
        data = self._data
        try:
            self._network.fit(
                data.X_train,
                data.y_train,
                optimizer=self._optimizer,
                epochs=MOST_EPOCHS - self._epoch,
                batch_size=self._settings.batch_size,
                seed=self._settings.seed,
                validation_data=(data.X_test, data.y_test),
                callbacks=[self._after_epoch],
                progress=False,
                threads=1,
            )
        except ArithmeticError as error:  # the loss is not finite
            self._refuse(error, "train")
        if self._interrupting is None and not self._closed.is_set():
            self._epochs_left = 0
            self._draw()

    def _after_epoch(self, training: Training) -> None:
        started = time.monotonic()
        self._epoch += 1
        self._epochs_left -= 1
        self._last = {name: drawable(values[-1]) for name, values in training.history.items()}
        for name, values in self._curves.items():
            values.append(self._last[name])
        if not self._epochs_left or started - self._drawn_at > 1 / PICTURES_A_SECOND:
            self._draw()
        self._wait(training, started + 1 / self._pace)

    def _wait(self, training: Training, until: float) -> None:
        """Answer requests until the next epoch is due; end the fit for one that needs another."""
        while not self._closed.is_set():
            left = until - time.monotonic()
            request = self._next(left if self._epochs_left else WAIT)
            if request is not None and request.get("do") in ("set", "reset"):
                self._interrupting = request
                break
            if request is not None:
                self._do(request)
            elif self._epochs_left:
                return
        training.stop("the session")

    def _draw(self) -> None:
        """Send the network as it is."""
        self._drawn_at = time.monotonic()
        metric = "accuracy" if self._data.classes else "mae"
        measures = {
            name: self._last[name] for name in ("loss", "val_loss", metric, f"val_{metric}") if name in self._last
        }
        self._answer(
            {
                "kind": "state",
                "generation": self._generation,
                "epoch": self._epoch,
                "running": self._epochs_left > 0,
                "metric": metric,
                "measures": measures,
                "curves": thinned(self._curves),
                "domain": self._pictures.domain,
                "boundary": self._pictures.boundary(),
                "layers": self._pictures.layers(),
            }
        )

    def _steps(self) -> dict[str, Any]:
        """Run a backward pass with a copy of the network, so that it leaves no trace in the training."""
        network = self._settings.make_network(self._data)
        _copy_weights(self._network, network)
        return backward_pass(network, self._data)


def _copy_weights(source: Network, target: Network) -> None:
    """Copy the parameters of a network into one with the same layers, besides those without parameters."""
    with_parameters = [
        [layer for layer in graph(network.output) if layer.has_parameters] for network in (source, target)
    ]
    for old, new in zip(*with_parameters, strict=True):
        new.W = old.W
