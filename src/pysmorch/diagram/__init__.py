"""Pictures of networks as SVG, drawn without any other library."""

from pysmorch.diagram.drawing import diagram
from pysmorch.diagram.svg import Svg

__all__ = ["Svg", "diagram"]
