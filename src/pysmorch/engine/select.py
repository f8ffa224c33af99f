"""The choice of engine and precision, and why the native engine cannot run a network."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Literal, get_args

from pysmorch.engine.dataset import Dataset
from pysmorch.engine.extension import NOT_BUILT, extension, has_bf16
from pysmorch.engine.forms import unsupported_form
from pysmorch.engine.jax.support import jax_module, refuse_untraceable
from pysmorch.engine.lowering import unsupported_layers
from pysmorch.engine.native import NativeProgram
from pysmorch.engine.own_layers import refuse_hidden_parameters
from pysmorch.engine.parameters import owners_of_arrays
from pysmorch.engine.program import Program
from pysmorch.engine.reference import ReferenceProgram
from pysmorch.layers.graph import graph
from pysmorch.layers.object_functions import refuse_object_functions
from pysmorch.layers.quantized import refuse_training
from pysmorch.layers.trainable import has_parameters
from pysmorch.losses import Loss
from pysmorch.optimizers import Optimizer

Engine = Literal["auto", "native", "reference", "jax"]
PredictionEngine = Literal["auto", "reference", "jax"]
Dtype = Literal["float32", "float64"]
Precision = Literal["float32", "bf16", "auto"]

CHOICES = {"engine": get_args(Engine), "dtype": get_args(Dtype), "precision": get_args(Precision)}

_reported: set[str] = set()
"""Reasons that were logged already; once is enough."""


def check_choice(argument: str, value: Any) -> None:
    """Raise ValueError where an argument ("engine", "dtype", "precision") is none of its choices."""
    choices = CHOICES[argument]
    if value not in choices:
        names = [f'"{choice}"' for choice in choices]
        raise ValueError(f"{argument} must be {', '.join(names[:-1])} or {names[-1]}, but is {value!r}")


def unsupported_reason(layers: Sequence[Any], loss: Loss, optimizer: Optimizer) -> str | None:
    """Return why a network cannot be trained natively here, or None if it can."""
    if extension() is None:
        return NOT_BUILT
    if any(index != owner for index, owner in owners_of_arrays(layers).items()):
        return "two layers have the same array W"
    return unsupported_layers(layers, training=True) or unsupported_form(loss, optimizer)


def make_program(
    loss: Loss,
    optimizer: Optimizer,
    data: Dataset,
    seed: int,
    *,
    engine: Engine,
    dtype: Dtype,
    precision: Precision,
    threads: int | None,
) -> Program:
    """Return the program for a network: the one that is requested, or the native one where that is possible, else the reference program.

    Raises ValueError where the choice is not possible, with the reason, and for a network that was quantized
    or has parameters that it cannot train, TypeError where a pass of a layer is a function that was set on the object, ImportError
    where JAX is requested and not installed.
    """
    if engine == "jax":
        return _jax_program(loss, optimizer, seed, dtype, precision)
    layers = graph(loss)
    refuse_training(layers)
    refuse_object_functions(layers)
    refuse_hidden_parameters(layers)
    reference = engine == "reference"
    reason = None if reference else unsupported_reason(layers[:-1], loss, optimizer)
    against_bf16 = 'it needs the native engine, not engine="reference"' if reference else reason
    against_bf16 = against_bf16 or _unsupported_bf16(dtype)
    if precision == "bf16" and against_bf16:
        raise ValueError(f'precision="bf16" is not possible: {against_bf16}')
    if not reference and reason is None:
        bf16 = precision != "float32" and against_bf16 is None
        return NativeProgram(loss, optimizer, dtype, seed, data, threads, bf16)
    if engine == "native":
        raise ValueError(f'engine="native" is not possible: {reason}')
    if reason is not None and reason not in _reported:
        _reported.add(reason)
        logging.getLogger("pysmorch").warning("training on the reference path, which is slower: %s", reason)
    return ReferenceProgram(loss, optimizer, dtype, seed)


def _jax_program(loss: Loss, optimizer: Optimizer, seed: int, dtype: Dtype, precision: Precision) -> Program:
    layers = graph(loss)
    refuse_object_functions(layers)
    refuse_untraceable(layers[:-1], loss, optimizer)
    if precision == "bf16" and dtype != "float32":
        raise ValueError(f'precision="bf16" is not possible: {_of_float32(dtype)}')
    bf16 = _bf16_of_jax(precision) and dtype == "float32"
    from pysmorch.engine.jax.program import JaxProgram

    return JaxProgram(loss, optimizer, dtype, seed, bf16)


def make_jax_predictor(precision: Precision) -> tuple[bool, Any]:
    """Return whether JAX is to multiply bfloat16, and the class of its predictors.

    Raises ImportError where it is not installed.
    """
    bf16 = _bf16_of_jax(precision)
    from pysmorch.engine.jax.prediction import JaxPredictor

    return bf16, JaxPredictor


def _bf16_of_jax(precision: Precision) -> bool:
    """Whether products are made of bfloat16: "auto" does so where there is a device that gains from it."""
    backend = jax_module().default_backend()
    return precision == "bf16" or (precision == "auto" and backend != "cpu")


def unsupported_bf16_prediction(layers: Sequence[Any], dtype: str | None, engine: str) -> str | None:
    """Return why layers cannot predict with products of bfloat16 here, or None if they can."""
    if engine == "reference":
        return 'it needs the native engine, not engine="reference"'
    dtypes = {layer.W.dtype.name for layer in layers if has_parameters(layer)} | ({dtype} if dtype else set())
    if engine == "jax":
        return next((_of_float32(name) for name in sorted(dtypes, reverse=True) if name != "float32"), None)
    if extension() is None:
        return NOT_BUILT
    return unsupported_layers(layers) or next((_unsupported_bf16(name) for name in sorted(dtypes, reverse=True)), None)


def _of_float32(dtype: str) -> str:
    return f'the weights must be float32, not dtype="{dtype}"'


def _unsupported_bf16(dtype: str) -> str | None:
    if dtype != "float32":
        return _of_float32(dtype)
    return None if has_bf16() else "this processor has no instructions for it (avx512_bf16); take float32"
