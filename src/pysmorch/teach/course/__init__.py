"""A course in backpropagation: the library's layers with blanks, and checks that say what is wrong."""

from pysmorch.teach.course import sketch
from pysmorch.teach.course.folder import CourseError, show_status, solutions, start, status
from pysmorch.teach.course.workbook import Workbook

__all__ = ["CourseError", "Workbook", "show_status", "sketch", "solutions", "start", "status"]
