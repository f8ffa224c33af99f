"""Networks as parts of a model file, and back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from pysmorch.export import content_of
from pysmorch.export.forms import ModelForm
from pysmorch.files.graph import graph_from_parts, graph_to_parts, own_layers
from pysmorch.files.header import entry
from pysmorch.files.model import ModelPath, save
from pysmorch.files.plain import optimizer_from_parts, optimizer_to_parts
from pysmorch.files.writing import write_new
from pysmorch.layers.base import Array, Layer
from pysmorch.layers.graph import graph, name_layers
from pysmorch.layers.trainable import has_parameters
from pysmorch.losses import Loss
from pysmorch.optimizers import Optimizer


class StoredNetwork:
    """A network that a model file can hold."""

    loss: Loss
    optimizer: Optimizer | None = None

    def __init__(self, loss: Loss) -> None:
        self.loss = loss

    def save(self, path: ModelPath, optimizer: Optimizer | None = None) -> None:
        """Write the network into one .safetensors file, whole or not at all; `pysmorch.load` reads it.

        Parameters
        ----------
        path : str, Path or binary file
            The file; an older one is replaced.
        optimizer : Optimizer, default=None
            Written too, with its state and its schedule: the loaded network has it as `optimizer`, and a `fit` with that goes on
            to the same bits.

        Raises
        ------
        OSError
            The file cannot be written; an older one is then as it was.
        ValueError
            The network has a layer or an array that cannot be written, or the optimizer is of a class of your own.
        """
        save(self, path, optimizer=optimizer)

    def export(self, path: str | Path, overwrite: bool = False) -> None:
        """Write the network as a file that works without this library: C, Python with NumPy, or ONNX.

        Its inputs have the shapes and names of the Data layers ("input" where one has none), its output is "output", and what the
        loss makes of it, such as probabilities, "predictions". All is computed in float32; docs/export.md says how each file is called.

        Parameters
        ----------
        path : str or Path
            The file. A name that ends in .c makes a C file, one in .py a Python file that needs NumPy alone, any other an ONNX file.
        overwrite : bool, default=False
            Whether a file that exists is replaced.

        Raises
        ------
        ValueError
            A layer has no form there; nothing is written then.
        OSError
            The file exists, or cannot be written; an older one is then as it was.
        """
        layers = graph(self.loss)[:-1]
        form = ModelForm("Network", layers, name_layers(layers), self.loss)
        write_new(path, content_of(form, path), overwrite)

    def to_parts(self, optimizer: Optimizer | None = None) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return the network as plain data and arrays, which `save` writes.

        Parameters
        ----------
        optimizer : Optimizer, default=None
            What is written beside it.

        Returns
        -------
        header : dict
            The graph and the loss as plain data.
        tensors : dict of str to ndarray
            Parameters and states by name.
        """
        header, tensors = graph_to_parts(self.loss)
        if optimizer is None:
            return header, tensors
        described, state = optimizer_to_parts(optimizer)
        return header | {"optimizer": described}, tensors | state

    def own_layers(self) -> list[Any]:
        """Return the layers that are of classes of your own, which `pysmorch.load` needs, and the loss if it is one.

        Returns
        -------
        list of Layer
            In the order of the graph.
        """
        return own_layers(self.loss)

    @classmethod
    def from_parts(cls, header: dict[str, Any], tensors: dict[str, Array], layers: Sequence[type[Layer]] = ()) -> Self:
        """Return the network of `to_parts`, after checking everything.

        Parameters
        ----------
        header : dict
            The first result of `to_parts`.
        tensors : dict of str to ndarray
            The second one.
        layers : sequence of type of Layer, default=()
            Classes of your own, of layers and losses, that the network has.

        Returns
        -------
        Network
            In the state in which it was.

        Raises
        ------
        ModelFileError
            Where anything is missing or does not fit.
        """
        network = cls(graph_from_parts(header, tensors, layers))
        if "optimizer" in header:
            size = sum(layer.W.size for layer in graph(network.loss) if has_parameters(layer))
            network.optimizer = optimizer_from_parts(entry(header, "optimizer", dict), tensors, size)
        return network
