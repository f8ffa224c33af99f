"""Grading of students' layers: tests, and the likely mistake where one fails."""

from pysmorch.teach.grade_report import FileReport, GradeReport, Result
from pysmorch.teach.grading import KNOWN, grade
from pysmorch.teach.isolation import GradingError, grade_file
from pysmorch.teach.own_exercises import read_exercise
from pysmorch.teach.reward import good_job
from pysmorch.teach.rules import Rules, read_rules

__all__ = [
    "KNOWN",
    "FileReport",
    "GradeReport",
    "GradingError",
    "Result",
    "Rules",
    "good_job",
    "grade",
    "grade_file",
    "read_exercise",
    "read_rules",
]
