"""Pictures of networks as SVG, drawn without any other library."""

from pysmorch.report.diagram import diagram
from pysmorch.report.svg import Svg

__all__ = ["Svg", "diagram"]
