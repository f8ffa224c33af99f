"""Layers: one operation each, with at most one parameter array. NumPy only."""

from pysmorch.layers import (
    activations,
    arithmetic,
    augmentation,
    axes,
    compose,
    convolution,
    dropout,
    embedding,
    functions,
    merge,
    normalization,
    pooling,
    shape,
)
from pysmorch.layers import (
    dense as dense_layers,
)
from pysmorch.layers.activations import *  # noqa: F403
from pysmorch.layers.arguments import ShapeError
from pysmorch.layers.arithmetic import *  # noqa: F403
from pysmorch.layers.augmentation import *  # noqa: F403
from pysmorch.layers.axes import *  # noqa: F403
from pysmorch.layers.base import Layer
from pysmorch.layers.compose import *  # noqa: F403
from pysmorch.layers.convolution import *  # noqa: F403
from pysmorch.layers.dense import *  # noqa: F403
from pysmorch.layers.dropout import *  # noqa: F403
from pysmorch.layers.embedding import *  # noqa: F403
from pysmorch.layers.functions import *  # noqa: F403
from pysmorch.layers.merge import *  # noqa: F403
from pysmorch.layers.normalization import *  # noqa: F403
from pysmorch.layers.pooling import *  # noqa: F403
from pysmorch.layers.randomness import weights_from
from pysmorch.layers.shape import *  # noqa: F403

__all__ = ["Layer", "ShapeError", "weights_from"]
__all__ += activations.__all__
__all__ += arithmetic.__all__
__all__ += augmentation.__all__
__all__ += axes.__all__
__all__ += compose.__all__
__all__ += convolution.__all__
__all__ += dense_layers.__all__
__all__ += dropout.__all__
__all__ += embedding.__all__
__all__ += functions.__all__
__all__ += merge.__all__
__all__ += normalization.__all__
__all__ += pooling.__all__
__all__ += shape.__all__
