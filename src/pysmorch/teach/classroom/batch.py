"""Grading the submissions of a class, several at a time, each alone in what it can do to the others."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from pysmorch.teach.classroom.rows import Graded
from pysmorch.teach.classroom.source import BLANK, Prepared, defined_names, digest_of, named_classes, prepare
from pysmorch.teach.classroom.spelling import suggest
from pysmorch.teach.classroom.store import Store
from pysmorch.teach.classroom.submissions import Submission
from pysmorch.teach.classroom.workers import TRIES, Lost, do_all
from pysmorch.teach.grade_report import FileReport, Result, clean
from pysmorch.teach.grading import KNOWN
from pysmorch.teach.isolation import MEMORY, TIMEOUT, GradingError, grade_file
from pysmorch.teach.rules import USUAL, Rules
from pysmorch.version import __version__

SPARE_TIME = 120.0
"""Seconds that a process may take for a submission besides the time that the submission has itself."""

_LINE = re.compile(r"\bline (\d+)\b")
_BLANK_IS_LEFT = re.compile(
    rf"^.*NameError: name '{BLANK}' is not defined(?:, in (line \d+)(?:: (.*?))?)?\.?(?: Probably: .*)?$"
)


@dataclass(frozen=True)
class Options:
    """How submissions are graded.

    Parameters
    ----------
    names : tuple of str, default=None
        The classes that are graded, where one that is missing gets no points; None for those that a submission has.
    timeout : float, default=60.0
        Seconds that a submission may take.
    memory : int, default=2 * 2**30
        Bytes of memory that its process may use.
    aliases : mapping of str to str, default={}
        Names of classes in submissions, with the names under which they are graded.
    rules : Rules, default=Rules()
        From which numbers the tests are drawn, with which tolerance, what is flagged, and a teacher's own exercises.
    with_files : tuple of str, default=()
        Files that are put beside each submission, which it may import or read.
    """

    names: tuple[str, ...] | None = None
    timeout: float = TIMEOUT
    memory: int = MEMORY
    aliases: Mapping[str, str] = field(default_factory=dict)
    rules: Rules = USUAL
    with_files: tuple[str, ...] = ()

    def settings(self) -> str:
        """Return what results depend on, for a `Store`.

        Returns
        -------
        str
            The same for the same options and version.
        """
        beside = [hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in self.with_files]
        tests = [self.rules.settings(), beside]
        return json.dumps([__version__, self.names, self.timeout, self.memory, sorted(self.aliases.items()), tests])


def common_names(submissions: Sequence[Submission], aliases: Mapping[str, str]) -> tuple[str, ...]:
    """Return the classes that more than half of the submissions define.

    Parameters
    ----------
    submissions : sequence of Submission
        The class's.
    aliases : mapping of str to str
        Names of classes in submissions, with the names under which they are graded.

    Returns
    -------
    tuple of str
        In the order of `KNOWN`.
    """
    counts: Counter[str] = Counter()
    can_be_graded = [submission for submission in submissions if not submission.problem]
    for submission in can_be_graded:
        names = named_classes(submission.path)
        counts.update(names | {aliases[name] for name in names if name in aliases})
    return tuple(name for name in KNOWN if counts[name] > len(can_be_graded) / 2)


def grade_submissions(
    submissions: Sequence[Submission],
    options: Options,
    jobs: int = 1,
    store: Store | None = None,
    on_done: Callable[[int, Graded], object] | None = None,
) -> list[Graded | GradingError]:
    """Grade submissions, several at a time.

    Parameters
    ----------
    submissions : sequence of Submission
        Which.
    options : Options
        How.
    jobs : int, default=1
        How many at a time; a single one is graded without a process more.
    store : Store, default=None
        Where results are stored, and taken from; it is open.
    on_done : callable, default=None
        Called with the index of a submission and its result as soon as that is there.

    Returns
    -------
    list of Graded or GradingError
        One for each submission, in their order; the error where the grader itself could not do its work.
    """
    found: dict[int, Graded | GradingError] = {}

    def take(i: int, result: Graded, is_new: bool) -> None:
        found[i] = result
        if is_new and store is not None:
            store.put(submissions[i], result)
        if on_done is not None:
            on_done(i, result)

    for i, submission in enumerate(submissions):
        stored = None if store is None else store.get(submission)
        if stored is not None:
            take(i, stored, is_new=False)
    left = [i for i in range(len(submissions)) if i not in found]
    for position, result in _results([submissions[i] for i in left], options, jobs):
        if isinstance(result, Graded):
            take(left[position], result, is_new=True)
        else:
            found[left[position]] = GradingError(str(result) or type(result).__name__)
    return [found[i] for i in range(len(submissions))]


def _results(
    submissions: Sequence[Submission], options: Options, jobs: int
) -> Iterator[tuple[int, Graded | Exception]]:
    """The results as they come, each with the index of its submission."""
    if len(submissions) < 2:
        for i, submission in enumerate(submissions):
            try:
                yield i, grade_submission(submission, options)
            except GradingError as error:
                yield i, error
        return
    grade = partial(grade_submission, options=options)
    for i, result in do_all(grade, submissions, jobs, options.timeout + SPARE_TIME):
        if isinstance(result, Lost):
            problem = f"Grading was given up after {TRIES} tries: {result}. Look at the file before it is run again."
            result = grade_submission(replace(submissions[i], problem=problem), options)
        yield i, result


def grade_submission(submission: Submission, options: Options) -> Graded:
    """Grade one submission.

    Parameters
    ----------
    submission : Submission
        Which.
    options : Options
        How.

    Returns
    -------
    Graded
        With zero points where there is nothing to grade. Lines are those of the submission, with the cell of a notebook.

    Raises
    ------
    GradingError
        When the grader itself could not do its work.
    """
    prepared = Prepared("", [submission.problem]) if submission.problem else prepare(submission.path, options.aliases)
    names = options.names
    if names is None and prepared.broken:
        defined = [*defined_names(prepared.source), *options.aliases.values(), *prepared.broken]
        names = tuple(name for name in dict.fromkeys(defined) if name in options.rules.known)
    if not prepared.source and names is None:
        return Graded(FileReport(str(submission.path), problem=" ".join(prepared.problems)))
    with tempfile.TemporaryDirectory(prefix="pysmorch-class-") as folder:
        file = _file_for(submission, prepared, Path(folder))
        report = grade_file(
            file, names, options.timeout, options.memory, with_files=options.with_files, rules=options.rules
        )
    report = _as_the_student_sees_it(report, submission, prepared)
    report.notes += _other_spellings(prepared, options)
    return Graded(report, digest_of(prepared.source))


def _file_for(submission: Submission, prepared: Prepared, folder: Path) -> Path:
    """The submission itself where it can be graded as it is, or else a file with what is graded of it."""
    if prepared.is_whole:
        return submission.path
    file = folder / "submission.py"
    file.write_text(prepared.source, encoding="utf-8", errors="surrogatepass")
    return file


def _as_the_student_sees_it(report: FileReport, submission: Submission, prepared: Prepared) -> FileReport:
    """A report with the lines of the submission, and with the reasons why classes or all are missing."""
    told = _explained(report.problem, "", prepared)[0] if prepared.source else ""
    problems = [*prepared.problems, told]
    reasons = dict.fromkeys(defined_names(prepared.source), told) | prepared.broken
    reports = []
    for one in report.reports:
        reason = reasons.get(one.name, "") if prepared.source else prepared.problems[0]
        results = [
            replace(result, cause=clean(reason), hint="")
            if reason and result.cause == f"The file has no class {one.name}."
            else _with_own_lines(result, prepared)
            for result in one.results
        ]
        reports.append(replace(one, results=results))
    return replace(
        report,
        path=str(submission.path),
        reports=reports,
        problem=clean(" ".join(filter(None, problems))),
    )


def _other_spellings(prepared: Prepared, options: Options) -> list[str]:
    """Classes that may be meant for one that is missing, and that no alias says."""
    defined = [*defined_names(prepared.source), *prepared.broken]
    taken = [options.aliases[name] for name in defined if name in options.aliases]
    missing = [name for name in options.names or options.rules.known if name not in taken]
    return [
        f"{other} may be {name}: --alias {other}={name} grades it so"
        for other, name in suggest(defined, missing).items()
    ]


def _with_own_lines(result: Result, prepared: Prepared) -> Result:
    cause, hint = _explained(result.cause, result.hint, prepared)
    return replace(result, cause=cause, hint=hint)


def _explained(cause: str, hint: str, prepared: Prepared) -> tuple[str, str]:
    """A sentence and its hint, about the lines of the submission and about a blank that is left."""
    blank = _BLANK_IS_LEFT.match(cause)
    if blank:
        where = f", in {blank[1]}" if blank[1] else ""
        text = f": {blank[2].replace(BLANK, '##### YOUR CODE HERE #####')}" if blank[2] else "."
        cause, hint = f"A blank is left as it was{where}{text}", "This still has to be written."
    if not prepared.is_whole:
        cause = _LINE.sub(lambda match: prepared.where(int(match[1])), cause)
    return cause, hint
