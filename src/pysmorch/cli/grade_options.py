"""The options of `pysmorch grade`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from pysmorch.cli.options import Texts


@dataclass(kw_only=True)
class GradeOptions:
    """All of `pysmorch grade`."""

    files: Annotated[
        list[str],
        typer.Argument(help="Python files, notebooks, and folders with a file or a folder for each student"),
    ]
    only: Annotated[str | None, typer.Option(help="these classes alone, as in Linear,Relu; one that lacks gets 0")] = (
        None
    )
    points: Annotated[str | None, typer.Option(help="what each class is worth, as in Linear=10,Relu=5")] = None
    alias: Annotated[
        Texts, typer.Option(help="another spelling of a class, as in ReLU=Relu; once for each, or with commas")
    ] = None
    config: Annotated[
        str | None,
        typer.Option(help="grading.toml with points, bonus, tolerance, seed, forbidden imports and who is late"),
    ] = None
    exercise: Annotated[
        Texts, typer.Option(help="file with an exercise of your own: a right class and draw(rng, rows); once for each")
    ] = None
    with_files: Annotated[
        Texts, typer.Option("--with", help="file that submissions may import or read; once for each")
    ] = None
    timeout: Annotated[
        float | None,
        typer.Option(
            help="seconds for a file in all, of which a test may take a tenth; without it 60, and 10 where a folder is graded"
        ),
    ] = None
    memory: Annotated[str, typer.Option(help="memory that a file may use, as in 2GB")] = "2GB"
    jobs: Annotated[int | None, typer.Option(help="how many are graded at a time; without it as many as cores")] = None
    store: Annotated[
        str | None,
        typer.Option(
            help="file with the results so far, from which a run goes on; for a folder it is pysmorch-grades.jsonl in it"
        ),
    ] = None
    fresh: Annotated[bool, typer.Option("--fresh", help="grade all again, also what the store has")] = False
    as_json: Annotated[bool, typer.Option("--json", help="print JSON instead of text")] = False
    csv: Annotated[str | None, typer.Option(help="write a table of the results into this file, a line for each")] = None
    html: Annotated[
        str | None,
        typer.Option(help="write pages into this folder: one for the class, and one for each student"),
    ] = None
    junit: Annotated[str | None, typer.Option(help="write the results into this file as JUnit's XML too")] = None
    gradescope: Annotated[
        str | None, typer.Option(help="write the results of the one submission into this file for Gradescope")
    ] = None
