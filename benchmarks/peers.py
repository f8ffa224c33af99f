"""The libraries under measurement, each as a class that trains or predicts the same network on the same data.

A trainer is made from sizes, batch, data and threads; `epoch()` takes every row once, in a new order, in steps of one batch.
A predictor's `predict()` returns the outputs of the rows it was made with. Everything that a user would do once (compiling, warming up)
happens before the first measurement.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

RATE, MOMENTUM = 0.01, 0.9


class PySmorch:
    """One `fit`, as a user calls it; how many epochs it has is up to who measures."""

    precision = "float32"

    def __init__(self, sizes: Sequence[int], batch: int, X: Any, y: Any, threads: int) -> None:
        import pysmorch as ps

        self.data, self.batch, self.threads = (X, y), batch, threads
        self.optimizer = ps.SGD(RATE, momentum=MOMENTUM)
        x = ps.Data(shape=(None, sizes[0]))
        self.network = ps.Network(ps.CrossEntropy(ps.mlp(x, list(sizes[1:-1]), sizes[-1], seed=0)))

    def epochs(self, count: int) -> None:
        self.network.fit(
            *self.data,
            optimizer=self.optimizer,
            epochs=count,
            batch_size=self.batch,
            seed=0,
            precision=self.precision,
            threads=self.threads,
            progress=False,
        )


class PySmorchBf16(PySmorch):
    precision = "bf16"


class Torch:
    """Eager, the fused optimizer, batches gathered by a permutation."""

    bf16 = False
    compiled = False

    def __init__(self, sizes: Sequence[int], batch: int, X: Any, y: Any, threads: int) -> None:
        import torch

        torch.manual_seed(0)
        torch.set_num_threads(threads)
        self.torch, self.batch = torch, batch
        self.X, self.y = torch.from_numpy(X), torch.from_numpy(y)
        model = _torch_model(torch, sizes)
        self.optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM, fused=True)
        self.model = torch.compile(model) if self.compiled else model
        self.loss = torch.nn.CrossEntropyLoss()

    def epochs(self, count: int) -> None:
        torch = self.torch
        for _ in range(count):
            order = torch.randperm(len(self.X))
            for rows in order.split(self.batch):
                with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
                    loss = self.loss(self.model(self.X[rows]), self.y[rows])
                self.optimizer.zero_grad(set_to_none=True)
                loss.backward()
                self.optimizer.step()


class TorchBf16(Torch):
    bf16 = True


class TorchCompile(Torch):
    compiled = True


class TorchCompileBf16(Torch):
    bf16 = compiled = True


class JaxScan:
    """The whole epoch in one compiled `lax.scan`; parameters and momentum are donated."""

    def __init__(self, sizes: Sequence[int], batch: int, X: Any, y: Any, threads: int) -> None:
        import jax
        import jax.numpy as jnp

        self.jax, self.batch, self.num_rows = jax, batch, len(X)
        self.X, self.y = jnp.asarray(X), jnp.asarray(y)
        self.key = jax.random.PRNGKey(0)
        self.state = _jax_state(jax, sizes)
        self.step = _jax_step(jax)
        self._compile()

    def _compile(self) -> None:
        jax, batch, step = self.jax, self.batch, self.step

        def epoch(state: Any, key: Any, X: Any, y: Any) -> Any:
            num_steps = len(X) // batch
            order = jax.random.permutation(key, len(X))[: num_steps * batch].reshape(num_steps, batch)
            return jax.lax.scan(lambda s, rows: (step(s, X[rows], y[rows]), None), state, order)[0]

        self._epoch = jax.jit(epoch, donate_argnums=0)

    def epochs(self, count: int) -> None:
        for _ in range(count):
            self.key, key = self.jax.random.split(self.key)
            self.state = self._epoch(self.state, key, self.X, self.y)
        self.jax.block_until_ready(self.state)


class JaxJit(JaxScan):
    """One compiled call a step."""

    def _compile(self) -> None:
        step = self.step
        self._step = self.jax.jit(lambda state, X, y, rows: step(state, X[rows], y[rows]), donate_argnums=0)

    def epochs(self, count: int) -> None:
        rng = np.random.default_rng(0)
        for _ in range(count):
            order = rng.permutation(self.num_rows)
            for start in range(0, self.num_rows, self.batch):
                self.state = self._step(self.state, self.X, self.y, order[start : start + self.batch])
        self.jax.block_until_ready(self.state)


class ScikitLearn:
    def __init__(self, sizes: Sequence[int], batch: int, X: Any, y: Any, threads: int) -> None:
        from sklearn.neural_network import MLPClassifier
        from threadpoolctl import threadpool_limits

        threadpool_limits(threads)
        self.data = X, y
        self.model = MLPClassifier(
            tuple(sizes[1:-1]),
            solver="sgd",
            learning_rate_init=RATE,
            momentum=MOMENTUM,
            nesterovs_momentum=False,
            batch_size=batch,
            alpha=0.0,
            random_state=0,
        )

    def epochs(self, count: int) -> None:
        # partial_fit is one epoch.
        for _ in range(count):
            self.model.partial_fit(*self.data, classes=np.unique(self.data[1]))


TRAINERS = {
    "PySmorch": PySmorch,
    "PySmorch bf16": PySmorchBf16,
    "PyTorch": Torch,
    "PyTorch bf16": TorchBf16,
    "PyTorch compile": TorchCompile,
    "PyTorch compile bf16": TorchCompileBf16,
    "JAX scan": JaxScan,
    "JAX jit": JaxJit,
    "scikit-learn": ScikitLearn,
}


class PredictPySmorch:
    precision = "float32"

    def __init__(self, sizes: Sequence[int], X: Any, threads: int) -> None:
        import pysmorch as ps

        ps.set_num_threads(threads)
        x = ps.Data(shape=(None, sizes[0]))
        self.X = X
        self.network = ps.Network(ps.CrossEntropy(ps.mlp(x, list(sizes[1:-1]), sizes[-1], seed=0)))
        for layer in self.network.layers:
            if hasattr(layer, "W"):
                layer.replace_parameters(layer.W.astype(np.float32))

    def predict(self) -> Any:
        return self.network.predict(self.X, precision=self.precision)


class PredictPySmorchBf16(PredictPySmorch):
    precision = "bf16"


class PredictTorch:
    compiled = False

    def __init__(self, sizes: Sequence[int], X: Any, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self.torch, self.X = torch, torch.from_numpy(X)
        model = _torch_model(torch, sizes).eval()
        self.model = torch.compile(model) if self.compiled else model

    def predict(self) -> Any:
        with self.torch.inference_mode():
            return self.model(self.X)


class PredictTorchCompile(PredictTorch):
    compiled = True


class PredictOnnx:
    """The network as an ONNX graph of Gemm and Relu, all optimisations on."""

    def __init__(self, sizes: Sequence[int], X: Any, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(_onnx_model(sizes), options, providers=["CPUExecutionProvider"])
        self.X = X

    def predict(self) -> Any:
        return self.session.run(None, {"x": self.X})[0]


class PredictJax:
    def __init__(self, sizes: Sequence[int], X: Any, threads: int) -> None:
        import jax

        layers = _jax_state(jax, sizes)[0]
        self.X = X
        self.function = jax.jit(lambda X: _jax_forward(jax, layers, X))

    def predict(self) -> Any:
        return np.asarray(self.function(self.X))


class PredictScikitLearn:
    def __init__(self, sizes: Sequence[int], X: Any, threads: int) -> None:
        from threadpoolctl import threadpool_limits

        threadpool_limits(threads)
        trainer = ScikitLearn(sizes, 32, X[:1].repeat(64, axis=0), np.arange(64) % sizes[-1], threads)
        trainer.model.set_params(max_iter=1)
        trainer.epochs(1)
        self.model, self.X = trainer.model, X

    def predict(self) -> Any:
        return self.model.predict_proba(self.X)


PREDICTORS = {
    "PySmorch": PredictPySmorch,
    "PySmorch bf16": PredictPySmorchBf16,
    "PyTorch": PredictTorch,
    "PyTorch compile": PredictTorchCompile,
    "ONNX Runtime": PredictOnnx,
    "JAX jit": PredictJax,
    "scikit-learn": PredictScikitLearn,
}


def _torch_model(torch: Any, sizes: Sequence[int]) -> Any:
    layers: list[Any] = []
    for inputs, outputs in pairwise(sizes):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def _jax_state(jax: Any, sizes: Sequence[int]) -> Any:
    keys = jax.random.split(jax.random.PRNGKey(0), len(sizes))
    layers = [
        ((2 / d) ** 0.5 * jax.random.normal(key, (d, k)), jax.numpy.zeros(k))
        for key, (d, k) in zip(keys, pairwise(sizes), strict=False)
    ]
    return layers, jax.tree.map(jax.numpy.zeros_like, layers)


def _jax_forward(jax: Any, layers: Any, x: Any) -> Any:
    for W, b in layers[:-1]:
        x = jax.nn.relu(x @ W + b)
    W, b = layers[-1]
    return x @ W + b


def _jax_step(jax: Any) -> Any:
    def loss(layers: Any, x: Any, y: Any) -> Any:
        logs = jax.nn.log_softmax(_jax_forward(jax, layers, x))
        return -jax.numpy.take_along_axis(logs, y[:, None], axis=1).mean()

    def step(state: Any, x: Any, y: Any) -> Any:
        layers, velocity = state
        gradients = jax.grad(loss)(layers, x, y)
        velocity = jax.tree.map(lambda v, g: MOMENTUM * v + g, velocity, gradients)
        return jax.tree.map(lambda w, v: w - RATE * v, layers, velocity), velocity

    return step


def _onnx_model(sizes: Sequence[int]) -> bytes:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    nodes, weights, name = [], [], "x"
    for i, (d, k) in enumerate(pairwise(sizes)):
        W = (rng.standard_normal((d, k)) * (2 / d) ** 0.5).astype(np.float32)
        weights += [numpy_helper.from_array(W, f"W{i}"), numpy_helper.from_array(np.zeros(k, np.float32), f"b{i}")]
        nodes.append(helper.make_node("Gemm", [name, f"W{i}", f"b{i}"], [f"z{i}"]))
        name = f"z{i}"
        if i < len(sizes) - 2:
            nodes.append(helper.make_node("Relu", [name], [f"a{i}"]))
            name = f"a{i}"
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", sizes[0]])
    out = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", sizes[-1]])
    graph = helper.make_graph(nodes, "mlp", [x], [out], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()
