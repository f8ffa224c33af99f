"""Grading students' layers: is a class right, and if not, what is wrong with it?"""

from pysmorch.teach.grading import KNOWN, grade, grade_check_gradient
from pysmorch.teach.report import FileReport, GradeReport, Result

__all__ = ["KNOWN", "FileReport", "GradeReport", "Result", "grade", "grade_check_gradient"]
