"""The libraries under measurement on networks for images: LeNet (28 x 28, one channel) and ResNet-20 (32 x 32, three channels).

All of them train the same network on the same images, each in the order of axes that it likes. `weights(network)` has the numbers
that all start from, in the order in which a picture meets them. ResNet-20 is the one for CIFAR of He et al., "Deep residual learning
for image recognition", 2016, with a 1 x 1 convolution and batch norm on the way past a block that changes the shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from peers import MOMENTUM, RATE

SHAPES = {"LeNet": (28, 28, 1), "ResNet-20": (32, 32, 3)}
NUM_CLASSES = 10


def blocks() -> Iterator[tuple[int, int, int]]:
    """Yield channels in, channels out and stride of each of the nine blocks of ResNet-20."""
    before = 16
    for channels in (16, 32, 64):
        for block in range(3):
            yield before, channels, 2 if block == 0 and channels > 16 else 1
            before = channels


def weights(network: str) -> list[np.ndarray]:
    """Return the first parameters: filters are (height, width, channels in, channels out), as in JAX and PySmorch."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> list[np.ndarray]:
        return [(rng.standard_normal(shape) * (2 / np.prod(shape[:-1])) ** 0.5).astype(np.float32)]

    def constant(value: float, channels: int) -> list[np.ndarray]:
        return [np.full(channels, value, np.float32)]

    def filters_and_norm(size: int, before: int, channels: int) -> list[np.ndarray]:
        return normal(size, size, before, channels) + constant(1, channels) + constant(0, channels)

    if network == "LeNet":
        convolutions = normal(3, 3, 1, 32) + constant(0, 32) + normal(3, 3, 32, 64) + constant(0, 64)
        return convolutions + normal(7 * 7 * 64, 128) + constant(0, 128) + normal(128, NUM_CLASSES) + constant(0, 10)
    found = filters_and_norm(3, 3, 16)
    for before, channels, _ in blocks():
        found += filters_and_norm(3, before, channels) + filters_and_norm(3, channels, channels)
        if before != channels:
            found += filters_and_norm(1, before, channels)
    return found + normal(64, NUM_CLASSES) + constant(0, NUM_CLASSES)


def operations(network: str, batch: int) -> float:
    """Multiplications and additions of the products of one step of training."""
    if network == "LeNet":
        first = 28 * 28 * 9 * 32
        others = 14 * 14 * 9 * 32 * 64 + 7 * 7 * 64 * 128 + 128 * NUM_CLASSES
    else:
        size, others = 32, 64 * NUM_CLASSES
        first = size * size * 9 * 3 * 16
        for before, channels, stride in blocks():
            size //= stride
            others += size * size * channels * (9 * before + 9 * channels + (before if before != channels else 0))
    return 2.0 * batch * (2 * first + 3 * others)  # the gradient of the images is not needed


class PySmorch:
    """One `fit`, as a user calls it; how many epochs it has is up to who measures."""

    precision = "float32"

    def __init__(self, network: str, batch: int, X: Any, y: Any, threads: int) -> None:
        import pysmorch as ps
        from pysmorch import models

        self.data, self.batch, self.threads = (X, y), batch, threads
        self.optimizer = ps.SGD(RATE, momentum=MOMENTUM)
        make = {"LeNet": models.lenet, "ResNet-20": models.resnet20}[network]
        self.network = ps.Network(ps.CrossEntropy(make(ps.Data(shape=(None, *X.shape[1:])), NUM_CLASSES)))
        for parameters, W in zip(self.network.parameters.values(), weights(network), strict=True):
            parameters[...] = W

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
    channels_last = False
    compiled = False

    def __init__(self, network: str, batch: int, X: Any, y: Any, threads: int) -> None:
        import torch

        torch.manual_seed(0)
        torch.set_num_threads(threads)
        self.torch, self.batch = torch, batch
        self.y = torch.from_numpy(y)
        self.X = torch.from_numpy(X if self.channels_last else np.ascontiguousarray(X.transpose(0, 3, 1, 2)))
        model = torch_model(torch, network)
        if self.channels_last:
            model = model.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM, fused=True)
        self.model = torch.compile(model) if self.compiled else model
        self.loss = torch.nn.CrossEntropyLoss()

    def epochs(self, count: int) -> None:
        torch = self.torch
        for _ in range(count):
            for rows in torch.randperm(len(self.X)).split(self.batch):
                self.step(rows)

    def step(self, rows: Any) -> Any:
        x = self.X[rows]
        if self.channels_last:
            x = x.permute(0, 3, 1, 2)  # the same memory: the images are stored with their channels last
        with self.torch.autocast("cpu", self.torch.bfloat16, enabled=self.bf16):
            loss = self.loss(self.model(x), self.y[rows])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss


class TorchBf16(Torch):
    bf16 = True


class TorchLast(Torch):
    channels_last = True


class TorchLastBf16(TorchLast):
    bf16 = True


class TorchCompile(TorchLast):
    compiled = True


class TorchCompileBf16(TorchLast):
    bf16 = compiled = True


class Jax:
    """One compiled call a step; parameters, momentum and running statistics are donated.

    In a `lax.scan` over the steps of an epoch the convolutions take fifteen times as long, so that is left out.
    """

    def __init__(self, network: str, batch: int, X: Any, y: Any, threads: int) -> None:
        import jax
        import jax.numpy as jnp

        self.jax, self.batch = jax, batch
        self.X, self.y = jnp.asarray(X), jnp.asarray(y)
        parameters = [jnp.asarray(W) for W in weights(network)]
        widths = [16, *(c for b, c, _ in blocks() for _ in range(2 if b == c else 3))] if network == "ResNet-20" else []
        running = [(jnp.zeros(channels), jnp.ones(channels)) for channels in widths]
        self.state = parameters, [jnp.zeros_like(W) for W in parameters], running
        step = _jax_step(jax, {"LeNet": _jax_lenet, "ResNet-20": _jax_resnet20}[network])
        self._step = jax.jit(lambda state, X, y, rows: step(state, X[rows], y[rows]), donate_argnums=0)

    def epochs(self, count: int) -> None:
        rng = np.random.default_rng(0)
        for _ in range(count):
            order = rng.permutation(len(self.X))
            for start in range(0, len(order), self.batch):
                self.step(order[start : start + self.batch])
        self.jax.block_until_ready(self.state)

    def step(self, rows: Any) -> Any:
        self.state, loss = self._step(self.state, self.X, self.y, rows)
        return loss


TRAINERS = {
    "PySmorch": PySmorch,
    "PySmorch bf16": PySmorchBf16,
    "PyTorch": Torch,
    "PyTorch bf16": TorchBf16,
    "PyTorch channels last": TorchLast,
    "PyTorch channels last bf16": TorchLastBf16,
    "PyTorch compile": TorchCompile,
    "PyTorch compile bf16": TorchCompileBf16,
    "JAX jit": Jax,
}


def torch_model(torch: Any, network: str) -> Any:
    """Return the network as a module that starts with `weights(network)`."""
    model = torch_lenet(torch) if network == "LeNet" else _torch_resnet20(torch)
    with torch.no_grad():
        for parameter, W in zip(model.parameters(), weights(network), strict=True):
            if W.ndim == 4:
                W = W.transpose(3, 2, 0, 1)
            elif W.shape[0] == 7 * 7 * 64:  # PyTorch flattens channel by channel
                W = W.reshape(7, 7, 64, -1).transpose(3, 2, 0, 1).reshape(-1, 7 * 7 * 64)
            elif W.ndim == 2:
                W = W.T
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(W)))
    return model


def torch_lenet(torch: Any) -> Any:
    nn = torch.nn
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(7 * 7 * 64, 128), nn.ReLU(), nn.Linear(128, NUM_CLASSES)),
    )


def _torch_resnet20(torch: Any) -> Any:
    nn = torch.nn

    def convolution_and_norm(before: int, channels: int, size: int, stride: int) -> list[Any]:
        return [nn.Conv2d(before, channels, size, stride, size // 2, bias=False), nn.BatchNorm2d(channels)]

    class Block(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, before: int, channels: int, stride: int) -> None:
            super().__init__()
            first = convolution_and_norm(before, channels, 3, stride)
            self.inner = nn.Sequential(*first, nn.ReLU(), *convolution_and_norm(channels, channels, 3, 1))
            past = convolution_and_norm(before, channels, 1, stride) if before != channels else []
            self.past = nn.Sequential(*past)

        def forward(self, x: Any) -> Any:
            return torch.relu(self.inner(x) + self.past(x))

    return nn.Sequential(
        *(*convolution_and_norm(3, 16, 3, 1), nn.ReLU()),
        *(Block(*block) for block in blocks()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, NUM_CLASSES)),
    )


def _jax_convolve(jax: Any, x: Any, W: Any, stride: int = 1) -> Any:
    padding = [(W.shape[0] // 2,) * 2, (W.shape[1] // 2,) * 2]
    return jax.lax.conv_general_dilated(x, W, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def _jax_lenet(jax: Any, parameters: list[Any], running: list[Any], x: Any) -> tuple[Any, list[Any]]:
    W1, b1, W2, b2, W3, b3, W4, b4 = parameters
    for W, b in ((W1, b1), (W2, b2)):
        x = jax.nn.relu(_jax_convolve(jax, x, W) + b)
        rows, height, width, channels = x.shape
        # The gradient of `lax.reduce_window` is slower on a CPU than the whole rest of a step.
        x = x.reshape(rows, height // 2, 2, width // 2, 2, channels).max((2, 4))
    return jax.nn.relu(x.reshape(len(x), -1) @ W3 + b3) @ W4 + b4, running


def _jax_resnet20(jax: Any, parameters: list[Any], running: list[Any], x: Any) -> tuple[Any, list[Any]]:
    take, before_step, after_step = iter(parameters), iter(running), []

    def convolve_and_norm(x: Any, stride: int = 1) -> Any:
        x = _jax_convolve(jax, x, next(take), stride)
        mean = x.mean((0, 1, 2))
        variance = (x * x).mean((0, 1, 2)) - mean * mean
        unbiased = variance * (x.size / x.shape[-1] / (x.size / x.shape[-1] - 1))
        old_mean, old_variance = next(before_step)
        after_step.append((0.9 * old_mean + 0.1 * mean, 0.9 * old_variance + 0.1 * unbiased))
        return (x - mean) * (jax.lax.rsqrt(variance + 1e-5) * next(take)) + next(take)

    x = jax.nn.relu(convolve_and_norm(x))
    for before, channels, stride in blocks():
        inner = convolve_and_norm(jax.nn.relu(convolve_and_norm(x, stride)))
        x = jax.nn.relu(inner + (x if before == channels else convolve_and_norm(x, stride)))
    return x.mean((1, 2)) @ next(take) + next(take), after_step


def _jax_step(jax: Any, forward: Any) -> Any:
    def loss(parameters: Any, running: Any, x: Any, y: Any) -> Any:
        outputs, running = forward(jax, parameters, running, x)
        logs = jax.nn.log_softmax(outputs)
        return -jax.numpy.take_along_axis(logs, y[:, None], axis=1).mean(), running

    def step(state: Any, x: Any, y: Any) -> Any:
        parameters, velocity, running = state
        (value, running), gradients = jax.value_and_grad(loss, has_aux=True)(parameters, running, x, y)
        velocity = jax.tree.map(lambda v, g: MOMENTUM * v + g, velocity, gradients)
        parameters = jax.tree.map(lambda w, v: w - RATE * v, parameters, velocity)
        return (parameters, velocity, running), value

    return step
