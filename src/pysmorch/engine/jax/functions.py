"""Functions of layers that traced arrays compute in a way of their own: random words, indices, and convolutions where there is a GPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from pysmorch.engine.jax.arrays import Rules, TracedArray
from pysmorch.layers.windows import Windows

LOW = 0xFFFFFFFF
"""The lower half of a word of 64 bits."""


def rules_for(platform: str, bf16: bool) -> Rules:
    """Return how operations are recorded for a kind of device.

    Parameters
    ----------
    platform : str
        What JAX calls it: "cpu", "gpu" or "tpu".
    bf16 : bool
        Whether products are made from bfloat16.

    Returns
    -------
    Rules
        With convolutions of XLA's own where they are those of a library for the device. On a CPU they are a hundred times slower within
        a loop than the sum over the cells of the kernel that the layers compute.
    """
    functions: dict[str, Callable[..., Any]] = {"random_words": random_words, "whole_indices": whole_indices}
    if platform != "cpu":
        functions |= convolutions(bf16)
    return Rules(bf16, functions)


def whole_indices(layer: Any, x: TracedArray) -> TracedArray:
    """Return the entries of an Embedding's input as indices; all rows were checked before the training."""
    return x.astype(np.int64)


# Philox4x32-10 in words of 32 bits, which all devices multiply.


def random_words(seed: int, stream: int, step: TracedArray, count: int, first: int = 0) -> TracedArray:
    """Return the words of `pysmorch.layers.randomness.random_words` for a step that is traced."""
    first_block = first // 4
    num_blocks = -(-(first + count) // 4) - first_block
    at = step.value.astype(jnp.uint64)
    c0 = jnp.arange(first_block, first_block + num_blocks, dtype=jnp.uint32)
    c1 = jnp.full(num_blocks, stream, jnp.uint32)
    c2 = jnp.broadcast_to((at & np.uint64(LOW)).astype(jnp.uint32), (num_blocks,))
    c3 = jnp.broadcast_to((at >> np.uint64(32)).astype(jnp.uint32), (num_blocks,))
    k0, k1 = seed & LOW, seed >> 32
    for _ in range(10):
        (high0, low0), (high1, low1) = _halves_of_product(c0, 0xD2511F53), _halves_of_product(c2, 0xCD9E8D57)
        c0, c1, c2, c3 = high1 ^ c1 ^ np.uint32(k0), low1, high0 ^ c3 ^ np.uint32(k1), low0
        k0, k1 = (k0 + 0x9E3779B9) & LOW, (k1 + 0xBB67AE85) & LOW
    start = first - 4 * first_block
    return TracedArray(jnp.stack([c0, c1, c2, c3], axis=1).ravel()[start : start + count], step.rules)


def _halves_of_product(a: Any, constant: int) -> tuple[Any, Any]:
    """Return both halves of the 64 bits of a product, from products of halves that fit into 32 bits."""
    half, sixteen = np.uint32(0xFFFF), np.uint32(16)
    a_high, a_low = a >> sixteen, a & half
    b_high, b_low = np.uint32(constant >> 16), np.uint32(constant & 0xFFFF)
    middle = a_high * b_low + (a_low * b_low >> sixteen)
    carried = a_low * b_high + (middle & half)
    return a_high * b_high + (middle >> sixteen) + (carried >> sixteen), a * np.uint32(constant)


# Convolutions, for which GPUs have libraries.


def convolutions(bf16: bool) -> dict[str, Callable[..., Any]]:
    """Return the three sums of `layers/convolution.py` as XLA's own convolutions.

    Parameters
    ----------
    bf16 : bool
        Whether images, kernels and gradients are rounded to bfloat16 first. Where XLA has no product of bfloat16 with a sum in float32,
        in the two adjoints, such numbers are multiplied as float32, in the shortest form that holds them.

    Returns
    -------
    dict of str to callable
        "convolve", "convolve_adjoint" and "kernel_gradient", with the arguments that they have there.
    """
    precision = lax.Precision.DEFAULT if bf16 else lax.Precision.HIGHEST

    def rounded(array: Any) -> Any:
        return array.astype(jnp.bfloat16).astype(array.dtype) if bf16 and array.dtype == np.float32 else array

    def direct(x: Any, W: Any, windows: Windows, groups: int) -> Any:
        return lax.conv_general_dilated(
            x,
            W,
            windows.stride,
            list(zip(windows.before, windows.after, strict=True)),
            rhs_dilation=windows.dilation,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=groups,
            precision=precision,
        )

    def convolve(x: Any, W: Any, windows: Windows, groups: int = 1) -> TracedArray:
        return TracedArray(direct(rounded(x.value), rounded(W.value), windows, groups), x.rules)

    def convolve_adjoint(dwnstrm: Any, W: Any, windows: Windows, groups: int = 1) -> TracedArray:
        d, kernel = rounded(dwnstrm.value), rounded(W.value)
        image = jax.ShapeDtypeStruct((len(d), *windows.image, groups * W.shape[2]), d.dtype)
        (gradient,) = jax.linear_transpose(lambda x: direct(x, kernel, windows, groups), image)(d)
        return TracedArray(gradient, dwnstrm.rules)

    def kernel_gradient(x: Any, dwnstrm: Any, windows: Windows, groups: int = 1) -> TracedArray:
        images, d = rounded(x.value), rounded(dwnstrm.value)
        kernel = jax.ShapeDtypeStruct((*windows.size, x.shape[-1] // groups, d.shape[-1]), d.dtype)
        (gradient,) = jax.linear_transpose(lambda W: direct(images, W, windows, groups), kernel)(d)
        return TracedArray(gradient, x.rules)

    return {"convolve": convolve, "convolve_adjoint": convolve_adjoint, "kernel_gradient": kernel_gradient}
