"""The base class of all layers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pysmorch.layers.arguments import Array, ShapeError, floating, format_dims
from pysmorch.layers.description import Description
from pysmorch.layers.graph import backpropagate, outputs_of, run_backward, run_forward
from pysmorch.layers.inputs import Inputs
from pysmorch.layers.native_form import NativeForm, is_ours
from pysmorch.layers.own_passes import as_computed, feeders, own_backward, own_forward
from pysmorch.layers.trainable import Trainable

__all__ = ["Array", "Layer", "ShapeError", "format_dims"]


class Layer(Inputs, Trainable, NativeForm, Description):
    """One operation in a graph of layers, with at most one parameter array `W` and its gradient `G`.

    A concrete layer defines `compute(*inputs)`, which returns the output, and `pull_back(dwnstrm)`, which stores the gradient with
    respect to `W` in `G` and returns the gradient with respect to the input: a tuple for several inputs, None for an input without
    one. The graph's traversal sets `in_arrays` before `compute` and `out_array` after it.

    A subclass may instead override `forward` and `backward` and call those of `in_layer`, or of `super()`, by itself.

    Parameters
    ----------
    *in_layers : Layer
        The input layers: objects with `forward`, `backward` and `out_dims`.

    Attributes
    ----------
    in_layers : tuple of Layer
        The input layers; `in_layer` is the first of them.
    in_arrays : tuple of array
        The inputs of the last forward pass; `in_array` is the first of them.
    out_array : array
        The output of the last forward pass.
    pass_back : array or tuple of array
        The gradient with respect to the input(s), from the last backward pass.
    out_dims : tuple of int or None
        Shape of the output; the first entry is the batch size when the layer was made, and may change.
    training : bool, default=True
        True in training, False in prediction; only some layers (Dropout, Normalize) differ between the two.
    lr_factor, decay_factor : float, default=1.0
        Factors of the optimizer's learning rate and weight decay for `W`.

    Raises
    ------
    TypeError
        When an input is not a layer.
    """

    out_array: Any
    pass_back: Any
    training: bool = True
    lr_factor: float = 1.0
    decay_factor: float = 1.0
    _computed_for: tuple[Array, ...] | None = None

    def compute(self, *inputs: Any, **no_options: Any) -> Any:
        """Return the output; a concrete layer defines it.

        Parameters
        ----------
        *inputs : array
            The output of each input layer, one argument each.
        **no_options : object
            None are passed; they only let a concrete layer have arguments with defaults.

        Returns
        -------
        array
            In the shape `out_dims`, for the batch size of the inputs.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define compute(x)")

    def pull_back(self, dwnstrm: Array) -> Any:
        """Store the gradient with respect to `W` in `G` and return that with respect to the input; a concrete layer defines it.

        Parameters
        ----------
        dwnstrm : array
            The gradient of the loss with respect to the output, in its shape.

        Returns
        -------
        array, None, or tuple of both
            The gradient with respect to the input, in its shape, None for an input without one; a tuple for several inputs.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define pull_back(dwnstrm)")

    def forward(self) -> Any:
        """Run every layer that this one depends on, once, and return this layer's output.

        Returns
        -------
        array
            In the shape `out_dims`, for the batch size of the data.
        """
        if type(self).forward is Layer.forward:
            return run_forward(self)
        return self._compute(tuple(outputs_of(self.in_layers)))  # super().forward() in a subclass

    def backward(self, dwnstrm: ArrayLike = 1.0) -> None:
        """Backpropagate through every layer that this one depends on; every `G` is set.

        Parameters
        ----------
        dwnstrm : array, default=1.0
            The gradient with respect to this layer's output, in its shape; a loss needs none.

        Raises
        ------
        RuntimeError
            Before a forward pass.
        ShapeError
            When dwnstrm has not the shape of the output.
        """
        if type(self).backward is Layer.backward:
            run_backward(self, dwnstrm)
        else:
            backpropagate(self.in_layers, self._pull_back(dwnstrm))  # super().backward(dwnstrm) in a subclass

    def _forward_step(self, inputs: tuple[Any, ...], read: Sequence[Any] | None = None) -> Any:
        if type(self).forward is Layer.forward:
            return self._compute(inputs[: len(self.in_layers)])
        self._computed_for = None
        out = own_forward(self, inputs, read)
        if self._computed_for is None:
            self.in_arrays, self.out_array = inputs[: len(self.in_layers)], out
        return out

    def _backward_step(self, dwnstrm: Any, read: Sequence[Any] | None = None) -> tuple[Any, ...]:
        if type(self).backward is Layer.backward:
            gradients = self._pull_back(dwnstrm)
            if is_ours(self):
                return gradients
            return (*gradients, *[None] * (len(feeders(self) if read is None else read) - len(gradients)))
        return own_backward(self, dwnstrm, read)

    def _compute(self, inputs: tuple[Any, ...]) -> Any:
        if self.native is not None and not (self.reads_indices or self.is_view or self.moves_entries):
            inputs = tuple(floating(x) for x in inputs)
        self.in_arrays = inputs
        out = self.compute(*inputs)
        dtype = next((x.dtype for x in inputs if x.dtype.kind == "f"), None)
        if dtype is not None and isinstance(out, np.ndarray):
            out = out.astype(dtype, copy=False)
        self.out_array, self._computed_for = out, inputs
        return out

    def _pull_back(self, dwnstrm: Any) -> tuple[Any, ...]:
        if not hasattr(self, "in_arrays"):
            hint = "" if type(self).forward is Layer.forward else "; a forward of its own has to set self.in_array"
            raise RuntimeError(f"{self!r}: backward was called before forward{hint}")
        is_replaced = self._computed_for is not self.in_arrays and type(self).compute is not Layer.compute
        with as_computed(self) if is_replaced else nullcontext():
            out = np.asarray(getattr(self, "out_array", dwnstrm))
            dwnstrm = np.asarray(dwnstrm, dtype=out.dtype if out.dtype.kind == "f" else None)
            if dwnstrm.shape != out.shape:
                raise ShapeError(f"{self!r}: dwnstrm has shape {dwnstrm.shape}, but the output has {out.shape}")
            gradient = self.pull_back(dwnstrm)
        gradients = tuple(gradient) if isinstance(gradient, (tuple, list)) else (gradient,)
        if len(gradients) != len(self.in_arrays):
            raise ShapeError(
                f"{self!r}: pull_back returned {len(gradients)} gradient(s), but there are {len(self.in_arrays)} inputs; "
                "return a tuple with one for each"
            )
        parts = tuple(
            part.astype(x.dtype, copy=False) if part is not None and x.dtype.kind == "f" else part
            for part, x in zip(gradients, self.in_arrays, strict=True)
        )
        self.pass_back = parts if isinstance(gradient, (tuple, list)) else parts[0]
        return parts

    @property
    def native_parameters(self) -> dict[str, Array]:
        """Arrays that are arguments of the native operation, by the names that it has for them."""
        return {"weights": self.W} if self.has_parameters else {}
