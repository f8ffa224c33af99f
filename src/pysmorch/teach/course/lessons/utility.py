"""What the lessons import. There is nothing to do in here."""

from pathlib import Path

from pysmorch.gradcheck import check_gradient
from pysmorch.teach import good_job
from pysmorch.teach.course import Workbook, quiz, sketch

__all__ = [
    "answers", "check", "check_gradient", "digits", "good_job", "hint", "library", "patient", "quiz",
    "reward", "show", "sketch",
]  # fmt: skip

EDITION = "with formulas"

workbook = Workbook(Path(__file__).parent)
answers = workbook.answers
check = workbook.check
digits = workbook.digits
hint = workbook.hint
library = workbook.library
patient = workbook.patient
reward = workbook.reward
show = workbook.show
