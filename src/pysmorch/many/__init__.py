"""Thousands of small models: one for each group of rows, trained together, in one file."""

from pysmorch.many.fitting import fit_many
from pysmorch.many.models import ManyModels
from pysmorch.many.small import for_small_groups

__all__ = ["ManyModels", "fit_many", "for_small_groups"]
