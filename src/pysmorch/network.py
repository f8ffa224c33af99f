"""A network: the graph that ends in a loss, with what one does with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from pysmorch import training as training_module
from pysmorch.engine import Predictor, step_memory
from pysmorch.engine.dataset import check_inputs
from pysmorch.files import graph_from_parts, graph_to_parts, save, saved_as
from pysmorch.layers.base import Array, Layer, format_dims
from pysmorch.layers.dense import Data
from pysmorch.layers.graph import feeders, graph, name_layers
from pysmorch.losses import Loss
from pysmorch.optimizers import Optimizer
from pysmorch.training import Callback, History, Metrics, Training


@saved_as("network")
class Network:
    """All layers that a loss depends on.

    Attributes:
        loss: the loss at the end.
        layers: the layers before it, each after those that feed it.
        names: the names of the layers: Data1, Linear1, Bias1, Relu1, Linear2, ...
        predictor: computes outputs; made again whenever the layers have changed.
        inputs: the Data layers, in the order in which arrays are handed to `fit` and `predict`.
        output: the layer that the loss looks at.

    >>> from pysmorch import CrossEntropy, Data, mlp
    >>> network = Network(CrossEntropy(mlp(Data(shape=(None, 4)), [8], 3, seed=0)))
    >>> network.names
    ['Data1', 'Linear1', 'Bias1', 'Relu1', 'Linear2', 'Bias2']
    """

    def __init__(self, loss: Loss) -> None:
        if not isinstance(loss, Loss):
            raise TypeError(
                f"Network needs a loss, for example Network(CrossEntropy(layer)), but got {type(loss).__name__}"
            )
        self.layers: list[Any] = graph(loss)[:-1]
        self.names = name_layers(self.layers)
        self.loss = loss
        if not self.inputs:
            raise ValueError("Network: there is no Data layer at the beginning of the graph")
        self.predictor = Predictor(loss.in_layer)

    @property
    def inputs(self) -> list[Data]:
        """The Data layers."""
        return [layer for layer in self.layers if isinstance(layer, Data)]

    @property
    def output(self) -> Any:
        """The layer that the loss looks at."""
        return self.loss.in_layer

    @property
    def parameters(self) -> dict[str, Array]:
        """The parameter arrays `W` by the names of their layers; they are live."""
        return {name: layer.W for name, layer in zip(self.names, self.layers, strict=True) if hasattr(layer, "W")}

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        *,
        optimizer: str | Optimizer = "adam",
        epochs: int = 10,
        batch_size: int = 128,
        shuffle: bool = True,
        seed: int | None = None,
        sample_weight: ArrayLike | None = None,
        validation_data: Sequence[Any] | None = None,
        callbacks: Sequence[Callback | Callable[[Training], Any]] = (),
        metrics: Metrics | None = None,
        progress: bool | None = None,
        dtype: str = "float32",
        engine: str = "auto",
        threads: int | None = None,
        precision: str = "float32",
    ) -> History:
        """Train on the rows of X and their labels y.

        Args:
            X: array (N, ...) in the shape of the Data layer; a tuple of arrays where there are several.
            y: labels (N, ...) as the loss takes them.
            optimizer: "sgd", "adam", "adamw", "rmsprop", or an object such as `SGD(0.1, momentum=0.9)`; the same object
                goes on where it was.
            epochs: how many times all rows are used.
            batch_size: rows for one step; the last batch of an epoch may be smaller.
            shuffle: whether the rows come in a new order each epoch.
            seed: fixes order and dropout; None draws one from NumPy's global state.
            sample_weight: one weight per row that is not negative; only their ratios count.
            validation_data: (X, y) or (X, y, sample_weight), measured after every epoch.
            callbacks: objects such as `EarlyStopping()`, or functions called with the `Training` after every epoch.
            metrics: further measures of the validation data by name, functions of (labels, predictions); they appear in
                the history as "val_" + name.
            progress: True or False; None shows it where somebody looks, in a terminal or a notebook.
            dtype: "float32" or "float64", of parameters and arithmetic.
            engine: "native" for the compiled program, "reference" for NumPy layer by layer; "auto" takes the native
                one where it can run the network, and says once where it cannot.
            threads: how many threads the native program may use; None goes by `pysmorch.set_num_threads`, the environment and
                the cores of the process. The result does not depend on it.
            precision: "bf16" makes the products of Linear layers and of convolutions from bfloat16 (8 bits of precision instead
                of 24) and keeps images between convolutions in it, with sums and weights in float32. That is up to twice as fast
                and takes half the memory for images, where the processor can do it; "auto" does so where it can.

        Raises ShapeError, TypeError or ValueError for data that do not fit, NonFiniteError when the loss is no longer
        finite; the weights from before that epoch are then kept.
        """
        return training_module.fit(
            self,
            X,
            y,
            optimizer=optimizer,
            epochs=epochs,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            sample_weight=sample_weight,
            validation_data=validation_data,
            callbacks=callbacks,
            metrics=metrics,
            progress=progress,
            dtype=dtype,
            engine_name=engine,
            threads=threads,
            precision=precision,
        )

    def predict(self, X: Any, dtype: str | None = None, engine: str = "auto") -> Array:
        """Return the output of the last layer for every row of X, before the loss: logits in a classifier.

        `network.loss.predictions(output)` turns logits into probabilities. A row has the same output in any company.

        Args:
            X: array (N, ...) in the shape of the Data layer; a tuple of arrays where there are several.
            dtype: "float32" or "float64", of the arithmetic; None takes that of the parameters.
            engine: "reference" computes with NumPy, layer by layer; "auto" natively where it can.
        """
        if dtype is None and engine == "auto":
            outputs = self.predictor.quick(X)
            if outputs is not None:
                return outputs
        if engine not in ("auto", "reference"):
            raise ValueError(f'engine must be "auto" or "reference", but is {engine!r}')
        return self.predictor(check_inputs(self.inputs, X, "X", finite=False), dtype, engine)

    def evaluate(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None, metrics: Metrics | None = None
    ) -> dict[str, float]:
        """Return the loss, its metric and further metrics (functions of labels and predictions), over all rows."""
        return training_module.evaluate(self, X, y, sample_weight, metrics)

    def snapshot(self, into: list[Any] | None = None) -> list[Any]:
        """Return copies of all parameters and states, for `restore`; an older snapshot `into` is written over."""
        if into is not None:
            for layer, (W, state) in zip(self.layers, into, strict=True):
                if W is not None:
                    W[...] = layer.W
                for name in state:
                    state[name][...] = layer.state[name]
            return into
        return [
            (
                layer.W.copy() if hasattr(layer, "W") else None,
                {k: v.copy() for k, v in getattr(layer, "state", {}).items()},
            )
            for layer in self.layers
        ]

    def restore(self, snapshot: list[Any]) -> None:
        """Take back parameters and states of `snapshot`."""
        for layer, (W, state) in zip(self.layers, snapshot, strict=True):
            if W is not None:
                layer.W[...] = W
            if state:
                layer.state = state

    def save(self, path: str | Path) -> None:
        """Write the network into one .safetensors file, whole or not at all; `pysmorch.load` reads it."""
        save(self, path)

    def to_parts(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return the network as plain data, and arrays by name."""
        return graph_to_parts(self.loss)

    @classmethod
    def from_parts(
        cls, header: dict[str, Any], tensors: dict[str, Array], layers: Sequence[type[Layer]] = ()
    ) -> Network:
        """Return the network of `to_parts`; `layers` are classes of your own that it may have.

        Raises ModelFileError when anything does not fit.
        """
        return cls(graph_from_parts(header, tensors, layers))

    def summary(self, batch_size: int = 128) -> Summary:
        """Return a table of the layers with shapes and parameters, the exact objective, and the memory of a training step.

        That is what the compiled program takes in float32 for batches of `batch_size` rows, besides the data and the parameters
        with their gradients and the optimizer's numbers; a network that it cannot run has no such line.
        """
        rows = [("layer", "output", "parameters", "fed by")]
        number = {id(layer): name for layer, name in zip(self.layers, self.names, strict=True)}
        for i, (layer, name) in enumerate(zip(self.layers, self.names, strict=True)):
            fed_by = [number[id(f)] for f in feeders(layer)]
            plain = i == 0 or fed_by == [self.names[i - 1]]
            size = str(layer.W.size) if hasattr(layer, "W") else ""
            shape = format_dims((None, *tuple(layer.out_dims)[1:]))
            rows.append((name, shape, size, "" if plain else ", ".join(fed_by)))
        widths = [max(len(row[c]) for row in rows) for c in range(4)]
        lines = [
            f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]}".rstrip() for row in rows
        ]
        total = sum(prod(W.shape) for W in self.parameters.values())
        lines += [f"{total} parameters", f"{type(self.loss).__name__}: {self.loss.objective}"]
        step = step_memory(self.layers, self.loss, batch_size)
        if step is not None:
            lines.append(f"a training step with {batch_size} rows takes {step / 2**20:.1f} MiB")
        return Summary("\n".join(lines))

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the compiled program, which is made again when it is needed."""
        return {name: value for name, value in vars(self).items() if name != "predictor"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.predictor = Predictor(self.loss.in_layer)

    def _repr_html_(self) -> str:
        """Show the network as a diagram in a notebook."""
        from pysmorch.diagram import diagram

        return diagram(self)._repr_html_()

    def __repr__(self) -> str:
        return f"Network({len(self.layers)} layers, {type(self.loss).__name__})"


class Summary(str):
    """Text that shows itself in full in a console and a notebook."""

    def __repr__(self) -> str:
        return str(self)
