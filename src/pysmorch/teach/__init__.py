"""Help for those who teach and learn with PySmorch: is a student's layer right, and if not, what is wrong with it?"""

from pysmorch.teach.grade_report import FileReport, GradeReport, Result
from pysmorch.teach.grading import KNOWN, grade
from pysmorch.teach.isolation import GradingError, grade_file
from pysmorch.teach.reward import good_job

__all__ = [
    "KNOWN",
    "FileReport",
    "GradeReport",
    "GradingError",
    "Result",
    "good_job",
    "grade",
    "grade_file",
]
