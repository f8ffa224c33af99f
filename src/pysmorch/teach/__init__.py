"""Grading students' layers: is a class right, and if not, what is wrong with it?"""

from pysmorch.teach.grading import KNOWN, grade, grade_check_gradient
from pysmorch.teach.isolation import GradingError, grade_file
from pysmorch.teach.report import FileReport, GradeReport, Result

__all__ = [
    "KNOWN",
    "FileReport",
    "GradeReport",
    "GradingError",
    "Result",
    "grade",
    "grade_check_gradient",
    "grade_file",
]
