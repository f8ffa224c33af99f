"""A network: the graph that ends in a loss, with what one does with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from numpy.typing import ArrayLike

from pysmorch import training
from pysmorch.cluster import Cluster
from pysmorch.engine import Dtype, Engine, Precision, Predictor
from pysmorch.engine.dataset import check_inputs
from pysmorch.engine.quantization import quantized
from pysmorch.engine.select import PredictionEngine, check_choice, make_jax_predictor, unsupported_bf16_prediction
from pysmorch.files import StoredNetwork, saved_as
from pysmorch.layers.base import Array
from pysmorch.layers.dense import Data, data_layers
from pysmorch.layers.graph import graph, name_layers
from pysmorch.layers.trainable import has_parameters, restore, snapshot_of
from pysmorch.losses import Loss
from pysmorch.optimizers import Optimizer, OptimizerName
from pysmorch.summary import Summary, summary_of
from pysmorch.training import Callback, FitOptions, History, Metrics, Training

PREDICTORS = ("predictor", "_bf16_predictor", "_jax_predictors")
"""Attributes with compiled programs."""


@saved_as("network")
class Network(StoredNetwork):
    """All layers that a loss depends on, with their training and prediction.

    Parameters
    ----------
    loss : Loss
        The loss at the end of the graph.

    Attributes
    ----------
    loss : Loss
        The loss at the end.
    layers : list of Layer
        The layers before it in topological order: each after its input layers.
    names : list of str
        Names of the layers: Data1, Linear1, Bias1, Relu1, Linear2, ...
    predictor : Predictor
        Computes outputs; made again whenever the layers have changed.
    inputs : list of Data
        The Data layers, in the order in which they were made, and in which `fit` and `predict` take arrays.
    output : Layer
        The input layer of the loss.
    parameters : dict of str to ndarray
        The parameter arrays by the names of their layers.
    origins : dict of str to str
        In a network of `from_onnx`: the initialiser, or else the node, of the file that a layer comes from, by the layer's name.
    optimizer : Optimizer or None
        That with which a loaded network was saved, with its state; None for any other network.

    Raises
    ------
    TypeError
        When `loss` is no loss.
    ValueError
        When the graph has no Data layer.

    Examples
    --------
    >>> from pysmorch import CrossEntropy, Data, mlp
    >>> network = Network(CrossEntropy(mlp(Data(shape=(None, 4)), [8], 3, seed=0)))
    >>> network.names
    ['Data1', 'Linear1', 'Bias1', 'Relu1', 'Linear2', 'Bias2']
    """

    def __init__(self, loss: Loss) -> None:
        if not isinstance(loss, Loss):
            raise TypeError(
                f"Network: loss must be a loss, for example CrossEntropy(layer), but is a {type(loss).__name__}"
            )
        # Before the loss, so that copies go from layer to layer in this order and not deep into the graph.
        self.layers: list[Any] = graph(loss)[:-1]
        self.names = name_layers(self.layers)
        super().__init__(loss)
        self.origins: dict[str, str] = {}
        if not self.inputs:
            raise ValueError(
                "Network: loss depends on no Data layer; begin the graph with one, for example Data(shape=(None, 784))"
            )
        self._make_predictors()

    @property
    def inputs(self) -> list[Data]:
        """The Data layers."""
        return data_layers(self.layers)

    @property
    def output(self) -> Any:
        """The input layer of the loss."""
        return self.loss.in_layer

    @property
    def parameters(self) -> dict[str, Array]:
        """The parameter arrays `W` by the names of their layers; they are live."""
        return {name: layer.W for name, layer in zip(self.names, self.layers, strict=True) if has_parameters(layer)}

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        *,
        optimizer: OptimizerName | Optimizer = "adam",
        epochs: int = 10,
        batch_size: int = 128,
        shuffle: bool = True,
        seed: int | None = None,
        sample_weight: ArrayLike | None = None,
        validation_data: Sequence[Any] | None = None,
        callbacks: Sequence[Callback | Callable[[Training], Any]] = (),
        metrics: Metrics | None = None,
        progress: bool | None = None,
        dtype: Dtype = "float32",
        engine: Engine = "auto",
        threads: int | None = None,
        precision: Precision = "float32",
        checkpoint: str | Path | None = None,
        every: str = "5 min",
        resume: str | Path | None = None,
        accumulate: int = 1,
        cluster: str | Cluster | None = None,
    ) -> History:
        """Train on the samples X and their labels y.

        Parameters
        ----------
        X : array_like of shape (N, ...)
            In the shape of the Data layer; a tuple, or a dictionary by name, of arrays where there are several.
        y : array_like of shape (N, ...)
            Labels, as the loss takes them.
        optimizer : str or Optimizer, default="adam"
            A name in `pysmorch.optimizers.OPTIMIZERS`, or an object such as `SGD(0.1, momentum=0.9)`; the same object
            continues with its state.
        epochs : int, default=10
            How many times all samples are used.
        batch_size : int, default=128
            Samples of one step; the last batch of an epoch may be smaller.
        shuffle : bool, default=True
            Whether the samples come in a new order each epoch.
        seed : int, default=None
            Fixes order and dropout; None draws one from NumPy's global state.
        sample_weight : array_like of shape (N,), default=None
            One weight per sample, not negative; only their ratios count.
        validation_data : tuple, default=None
            (X, y) or (X, y, sample_weight), measured after every epoch.
        callbacks : sequence of Callback or callable, default=()
            Objects such as `EarlyStopping()`, or functions called with the `Training` after every epoch.
        metrics : list of str or Metric, or dict of functions, default=None
            What else is measured, by names such as "auc", "f1" or "top_5" (`pysmorch.metrics.METRICS`), as `Metric`
            objects, or as functions of (labels, predictions) by name. They are measured on the validation data, and
            appear in the history as `"val_"` and the name. For the training data only the loss and its default metric
            are measured, since only these are sums over batches.
        progress : bool, default=None
            Whether progress is shown; None shows it in a terminal and in a notebook.
        dtype : {"float32", "float64"}, default="float32"
            Of parameters and arithmetic.
        engine : {"auto", "native", "reference", "jax"}, default="auto"
            "native" for the compiled program, "reference" for NumPy layer by layer; "auto" takes the native one where it
            can run the network, and logs once why it cannot. "jax" for a program of XLA, which runs on a GPU where JAX finds one
            (`pip install "pysmorch[jax]"`): the same network up to rounding.
        threads : int, default=None
            How many threads the native program may use; None goes by `pysmorch.set_num_threads`, the environment and the
            cores of the process. The result does not depend on it.
        precision : {"float32", "bf16", "auto"}, default="float32"
            "bf16" makes the products of Linear layers and of convolutions from bfloat16 (8 bits of precision instead of
            24) and stores images between convolutions in it, with sums and weights in float32. That is up to twice as
            fast and takes half the memory for images, where the processor can do it; "auto" does so where it can.
        checkpoint : str or Path, default=None
            A new folder for the run: "last.safetensors" has all that is needed to go on with it, "best.safetensors" the network
            after its best epoch, and some older checkpoints stay. The last one is also written when an exception, Ctrl-C
            or another signal ends the fit.
        every : str, default="5 min"
            How often it is written: a number and a unit, such as "30 s", "1 h", "2 epochs" or "500 batches".
        resume : str or Path, default=None
            The folder of a run that was interrupted: it goes on from its last checkpoint, to the same bits as if it had not been, and
            writes further ones. Data, network and callbacks must be the same; the options of the run are in the checkpoint and may
            be left out.
        accumulate : int, default=1
            In how many pieces a batch is computed, one after the other: its values and gradients take that part of the memory. The
            result is that of whole batches, natively to the same bits. Pieces have a multiple of up to 32 samples. With `Normalize`
            layers it takes several times as long (docs/engine.md).
        cluster : str or Cluster, default=None
            "auto", the address "HOST:PORT" of the head node of a Ray cluster, or a `Cluster` that says how many workers: they train
            together, with the bits of this machine. Callbacks are called on each worker. See docs/cluster.md.

        Returns
        -------
        History
            What was measured in each epoch.

        Raises
        ------
        ShapeError, TypeError, ValueError
            For data or options that do not fit, or are not those of the run to resume.
        OSError
            When the folder cannot be written, holds another run, or has none to resume.
        NonFiniteError
            When the loss is no longer finite; the weights from before that epoch are then restored.

        See Also
        --------
        evaluate : Measure without training.
        EarlyStopping : End training when a measure of the validation data no longer becomes better.
        """
        options = FitOptions(
            optimizer=optimizer,
            epochs=epochs,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            validation_data=validation_data,
            callbacks=callbacks,
            metrics=metrics,
            progress=progress,
            dtype=dtype,
            engine=engine,
            threads=threads,
            precision=precision,
            checkpoint=checkpoint,
            every=every,
            resume=resume,
            accumulate=accumulate,
        )
        if cluster is not None:
            return training.fit_on_cluster(self, X, y, sample_weight, options, cluster)
        return training.fit(self, X, y, sample_weight, options)

    def predict(
        self,
        X: Any,
        dtype: Dtype | None = None,
        engine: PredictionEngine = "auto",
        precision: Precision = "float32",
    ) -> Array:
        """Return the output of the last layer for every sample, before the loss: logits in a classifier.

        `network.loss.predictions(output)` turns logits into probabilities. The output of a sample does not depend on the
        other samples, to the last bit (with `engine="jax"` up to rounding).

        Parameters
        ----------
        X : array_like of shape (N, ...)
            In the shape of the Data layer; a tuple, or a dictionary by name, of arrays where there are several.
        dtype : {"float32", "float64"}, default=None
            Of the arithmetic; None takes that of the parameters.
        engine : {"auto", "reference", "jax"}, default="auto"
            "reference" computes with NumPy, layer by layer; "auto" natively where it can; "jax" with XLA, on a GPU where JAX finds one.
        precision : {"float32", "bf16", "auto"}, default="float32"
            "bf16" rounds the factors of the products of Linear layers and of convolutions in one group to bfloat16 (8 bits of
            precision instead of 24), with sums in float32; outputs are typically off by 0.5 % of their size. "auto" does so
            where the processor can, "bf16" is an error elsewhere.

        Returns
        -------
        ndarray of shape (N, ...)
            In the shape of the output layer.

        Raises
        ------
        ShapeError, TypeError, ValueError
            For data that do not fit, for choices that are none, and for a `precision` or an `engine` that is not possible.
        ImportError
            Where `engine` is "jax" and JAX is not installed.
        """
        if dtype is None and engine == "auto" and precision == "float32":
            outputs = self.predictor.quick(X)
            if outputs is not None:
                return outputs
        if engine not in get_args(PredictionEngine):
            raise ValueError(f'engine must be "auto", "reference" or "jax", but is {engine!r}')
        if engine == "jax":
            check_choice("precision", precision)
            reason = unsupported_bf16_prediction(self.layers, dtype, engine)
            if precision == "bf16" and reason is not None:
                raise ValueError(f'precision="bf16" is not possible: {reason}')
            return self._jax(precision if reason is None else "float32")(
                check_inputs(self.inputs, X, "X", finite=False), dtype
            )
        if precision != "float32":
            return self._predict_bf16(X, dtype, engine, precision)
        return self.predictor(check_inputs(self.inputs, X, "X", finite=False), dtype, engine)

    def _predict_bf16(self, X: Any, dtype: Dtype | None, engine: PredictionEngine, precision: Precision) -> Array:
        check_choice("precision", precision)
        if dtype is None and engine == "auto":
            outputs = self._bf16_predictor.quick(X)
            if outputs is not None:
                return outputs
        reason = unsupported_bf16_prediction(self.layers, dtype, engine)
        if reason is not None:
            if precision == "bf16":
                raise ValueError(f'precision="bf16" is not possible: {reason}')
            return self.predict(X, dtype, engine)
        return self._bf16_predictor(check_inputs(self.inputs, X, "X", finite=False))

    def evaluate(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        metrics: Metrics | None = None,
        engine: Literal["auto", "jax"] = "auto",
    ) -> dict[str, float]:
        """Return the loss, its default metric and other metrics, over all samples.

        Parameters
        ----------
        X : array_like of shape (N, ...)
            In the shape of the Data layer; a tuple, or a dictionary by name, of arrays where there are several.
        y : array_like of shape (N, ...)
            Labels, as the loss takes them.
        sample_weight : array_like of shape (N,), default=None
            One weight per sample, not negative; only their ratios count.
        metrics : list of str or Metric, or dict of functions, default=None
            What else is measured, as in `fit`.
        engine : {"auto", "jax"}, default="auto"
            What computes the outputs: "auto" natively where it can, "jax" with XLA, as in `predict`.

        Returns
        -------
        dict of str to float
            "loss", the default metric ("accuracy" or "mae") and the others, by name.

        Raises
        ------
        ShapeError, TypeError, ValueError
            For data or metrics that do not fit, and for an `engine` that is not possible.
        ImportError
            Where `engine` is "jax" and JAX is not installed.
        """
        if engine not in ("auto", "jax"):
            raise ValueError(f'engine must be "auto" or "jax", but is {engine!r}')
        return training.evaluate(self, X, y, sample_weight, metrics, engine)

    def predictor_of(self, engine: str) -> Any:
        """Return what computes outputs beside a program of this engine.

        Parameters
        ----------
        engine : {"auto", "native", "reference", "jax"}
            That of a training.

        Returns
        -------
        callable
            The `predictor` for all but "jax"; given inputs, it returns outputs.
        """
        return self._jax("float32") if engine == "jax" else self.predictor

    def snapshot(self, into: list[Any] | None = None) -> list[Any]:
        """Return copies of all parameters and states, for `restore`.

        Parameters
        ----------
        into : list, default=None
            An older snapshot, which is overwritten and returned; None for a new one.

        Returns
        -------
        list
            The snapshot.
        """
        return snapshot_of(self.layers, into)

    def restore(self, snapshot: list[Any]) -> None:
        """Set all parameters and states to those of a snapshot.

        Parameters
        ----------
        snapshot : list
            What `snapshot` returned.
        """
        restore(self.layers, snapshot)

    def quantize(self, X: Any) -> Network:
        """Return a network of its own that predicts with weights of 8 bits: a file of it is a quarter of the size.

        `Linear` layers and convolutions in one group multiply integers; biases, normalisations and all else are float32.
        `predict`, `evaluate`, `save` and `load` take the new network as any other; it cannot be trained.

        Parameters
        ----------
        X : array_like of shape (N, ...)
            Some hundred training rows or more, in the shape of the Data layer; a tuple, or a dictionary by name, of arrays
            where there are several. The ranges of the layers' inputs are learned from them: what lies outside is taken to be at the edge.

        Returns
        -------
        Network
            With copies of all other layers.

        Raises
        ------
        ShapeError, TypeError, ValueError
            For data that do not fit, and where there is no layer that can be quantized.
        """
        return Network(quantized(self.loss, check_inputs(self.inputs, X, "X")))

    def summary(self, batch_size: int = 128) -> Summary:
        """Return a table of the layers with shapes and parameters, the exact objective, and the memory of a training step.

        The memory is that of the native program in float32, besides the data, the parameters with their gradients, and the
        state of the optimizer; a network that it cannot run has no such line.

        Parameters
        ----------
        batch_size : int, default=128
            Samples of the step.

        Returns
        -------
        Summary
            A str that shows itself in full in a console and a notebook.
        """
        return summary_of(self.names, self.layers, self.loss, batch_size)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the compiled program, which is made again when it is needed."""
        return {name: value for name, value in vars(self).items() if name not in PREDICTORS}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._make_predictors()

    def _make_predictors(self) -> None:
        self.predictor = Predictor(self.loss.in_layer)
        self._bf16_predictor = Predictor(self.loss.in_layer, bf16=True)
        self._jax_predictors: dict[bool, Any] = {}

    def _jax(self, precision: Precision) -> Any:
        bf16, make = make_jax_predictor(precision)
        if bf16 not in self._jax_predictors:
            self._jax_predictors[bf16] = make(self.output, bf16)
        return self._jax_predictors[bf16]

    def _repr_html_(self) -> str:
        """Show the network as a diagram in a notebook."""
        from pysmorch.diagram import diagram

        return diagram(self)._repr_html_()

    def __repr__(self) -> str:
        return f"Network({len(self.layers)} layers, {type(self.loss).__name__})"
