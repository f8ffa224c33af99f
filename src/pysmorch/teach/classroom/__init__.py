"""A class at a time: submissions in folders and notebooks, graded in parallel, and tables and pages of the results."""

from pysmorch.teach.classroom.adapters import add_nbgrader_tests, require, score, write_otter_tests
from pysmorch.teach.classroom.batch import Options, common_names, grade_submission, grade_submissions
from pysmorch.teach.classroom.pages import class_page, student_page, write_pages
from pysmorch.teach.classroom.rows import Graded, Mistake, Row, class_names, mistakes_of, overview, rows_of
from pysmorch.teach.classroom.store import Store
from pysmorch.teach.classroom.submissions import STORE_NAME, Found, Submission, find_submissions
from pysmorch.teach.classroom.tables import as_csv, as_data, as_gradescope, nothing_for_gradescope

__all__ = [
    "STORE_NAME",
    "Found",
    "Graded",
    "Mistake",
    "Options",
    "Row",
    "Store",
    "Submission",
    "add_nbgrader_tests",
    "as_csv",
    "as_data",
    "as_gradescope",
    "class_names",
    "class_page",
    "common_names",
    "find_submissions",
    "grade_submission",
    "grade_submissions",
    "mistakes_of",
    "nothing_for_gradescope",
    "overview",
    "require",
    "rows_of",
    "score",
    "student_page",
    "write_otter_tests",
    "write_pages",
]
