"""A course in backpropagation: the library's layers with blanks, and checks that say what is wrong."""

from pysmorch.teach.course import sketch
from pysmorch.teach.course.folder import CourseError, hint, show_status, solutions, start, status
from pysmorch.teach.course.questions import quiz
from pysmorch.teach.course.workbook import Workbook

__all__ = ["CourseError", "Workbook", "hint", "quiz", "show_status", "sketch", "solutions", "start", "status"]
