"""Gradient checking: compares backward passes with finite differences, and names likely mistakes."""

from pysmorch.gradcheck.check_report import CheckReport, CheckRow
from pysmorch.gradcheck.checker import check
from pysmorch.gradcheck.differences import WrongGradient, check_gradient
from pysmorch.gradcheck.library import check_file, check_library

__all__ = ["CheckReport", "CheckRow", "WrongGradient", "check", "check_file", "check_gradient", "check_library"]
