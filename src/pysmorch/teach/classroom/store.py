"""The results of a run in a file, from which an interrupted run goes on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from pysmorch.files.writing import check_writable, lock_at_once
from pysmorch.teach.classroom.rows import Graded
from pysmorch.teach.classroom.submissions import Submission
from pysmorch.teach.grade_report import FileReport, GradeReport, Result


class Store:
    """Results by submission, each a line of a file; a line that was cut off counts as not written.

    Parameters
    ----------
    path : str or Path
        The file, which is made where there is none.
    settings : str
        What the results depend on besides the submissions; those of other settings are not found.
    """

    def __init__(self, path: str | Path, settings: str) -> None:
        self.path = check_writable(path)
        self.settings = settings
        self.results: dict[str, Graded] = {}
        self._file: BinaryIO | None = None

    @contextmanager
    def open(self, fresh: bool = False) -> Iterator[Store]:
        """Read what is there, and let no other run write into the file until the end.

        Parameters
        ----------
        fresh : bool, default=False
            Whether what is there is removed.

        Yields
        ------
        Store
            Itself.

        Raises
        ------
        ValueError
            When another run has the file, or it is another kind of file.
        """
        with open(self.path, "a+b") as file:
            if not lock_at_once(file):
                raise ValueError(
                    f"{self.path} is in use by another run; wait for its end, or name another with --store"
                )
            self._file = file
            self._read(file)
            if fresh:
                file.truncate(0)
                self.results.clear()
            try:
                yield self
            finally:
                self._file = None

    def _read(self, file: BinaryIO) -> None:
        file.seek(0)
        content = file.read()
        for line in content.split(b"\n"):
            with contextlib.suppress(ValueError, KeyError, TypeError):  # a line that was cut off
                entry = json.loads(line)
                self.results[entry["key"]] = Graded(from_data(entry["report"]), entry["digest"])
        if content and not self.results and not content.lstrip().startswith(b'{"key"'):
            raise ValueError(f"{self.path} is there and no store of results; name another with --store")
        if content and not content.endswith(b"\n"):
            file.write(b"\n")

    def get(self, submission: Submission) -> Graded | None:
        """Return the stored result of a submission as it is now.

        Parameters
        ----------
        submission : Submission
            Which.

        Returns
        -------
        Graded or None
            None where there is none, or the submission or the settings have changed since.
        """
        return self.results.get(self._key(submission))

    def put(self, submission: Submission, graded: Graded) -> None:
        """Write a result to the disk.

        Parameters
        ----------
        submission : Submission
            Which.
        graded : Graded
            Its result.
        """
        if self._file is None:
            raise ValueError("the store is not open")
        entry = {
            "key": self._key(submission),
            "name": submission.name,
            "digest": graded.digest,
            "report": asdict(graded.report),
        }
        self._file.write(json.dumps(entry).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _key(self, submission: Submission) -> str:
        digest = hashlib.sha256(json.dumps([self.settings, submission.name, submission.problem]).encode())
        with contextlib.suppress(OSError):  # one that cannot be read has this for its content
            if submission.path.is_file():
                digest.update(submission.path.read_bytes())
        return digest.hexdigest()


def from_data(data: dict[str, Any]) -> FileReport:
    """Return the report that `asdict` made data of.

    Parameters
    ----------
    data : dict
        Its fields by name.

    Returns
    -------
    FileReport
        The report.
    """
    reports = [
        GradeReport(**{**report, "results": [Result(**result) for result in report["results"]]})
        for report in data["reports"]
    ]
    return FileReport(**{**data, "reports": reports})
