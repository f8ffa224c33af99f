"""The command line: `pysmorch train data.csv --target price`."""

from __future__ import annotations

import atexit
import gc
import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Annotated, Any

import typer
from typer.main import get_command

from pysmorch.cli.grade_options import GradeOptions
from pysmorch.cli.help import CommandWithChoices
from pysmorch.cli.options import (
    EvaluateOptions,
    ExplainOptions,
    ExportOptions,
    PredictOptions,
    QuantizeOptions,
    ReadOptions,
    ReportOptions,
    TrainOptions,
    TuneOptions,
)
from pysmorch.cli.output import Interrupted, one_line, warnings_as_lines
from pysmorch.cli.serve_options import ServeOptions
from pysmorch.cli.taking import parse_size, takes

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Neural networks on the machine people have: tables and small images in, a model file and an honest score out.",
)

INTERRUPTED = 130


def main() -> None:
    """Run the command line; a user's mistake is one line on standard error and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # what the terminal has no letters for
    with warnings_as_lines(), _terminated_as_interrupted():
        code = _run()
    # Else the interpreter, when it ends, goes several times through all objects of all libraries.
    atexit.register(gc.freeze)
    sys.exit(code)


def _run() -> int:
    """Run the command and return the exit code."""
    try:
        code = _command()(prog_name="pysmorch", standalone_mode=False)
        sys.stdout.flush()
        if code == INTERRUPTED:  # Typer turns an interrupt into a code of its own accord
            return _say("interrupted; no file was written", code)
        return code or 0
    except BrokenPipeError:  # the process that reads the output has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return _say("interrupted; no file was written", INTERRUPTED)
    except Interrupted as interruption:
        return _say(str(interruption), INTERRUPTED)
    except OSError as error:
        reason = error.strerror or str(error)
        return _say(f"{error.filename}: {reason}" if error.filename else reason, 2)
    except MemoryError as error:
        return _say(
            f"there is not enough memory; {error or 'give fewer rows or columns, or a smaller --batch-size'}", 2
        )
    except (ValueError, ArithmeticError) as error:
        return _say(str(error) or type(error).__name__, 2)
    except Exception as error:
        # Typer's own usage errors know their message; anything else is a bug and shows its traceback.
        if type(error).__name__ == "NoArgsIsHelpError":
            print(error.format_message(), file=sys.stderr)  # type: ignore[attr-defined]
            return 2
        if hasattr(error, "format_message"):
            # Pydantic, which reads options for Typer, says "Value error" before what is wrong.
            message = error.format_message().replace(": Value error, ", ": ", 1)
            return _say(f"{message} (see pysmorch --help)", 2)
        raise


@cache
def _command() -> Any:
    """All commands, which are made once, also where a process runs several of them."""
    return get_command(app)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM be what Ctrl-C is, so that a command which is ended by a scheduler cleans up, too."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _say(message: str, code: int) -> int:
    print(f"pysmorch: error: {one_line(message)}", file=sys.stderr)
    return code


def _set_limits(options: ReadOptions) -> None:
    from pysmorch.engine import check_threads, set_num_threads
    from pysmorch.sources.limits import set_max_memory

    if options.threads is not None:
        set_num_threads(check_threads("--threads", options.threads))
    set_max_memory(None if options.max_memory is None else parse_size("--max-memory", options.max_memory))


@app.command(cls=CommandWithChoices)
@takes(TrainOptions)
def train(options: TrainOptions) -> None:
    """Train a model, say how good it is on rows it has not seen, and write it into a file."""
    from pysmorch.cli import training

    _set_limits(options)
    training.train(options)


@app.command(cls=CommandWithChoices)
@takes(TuneOptions)
def tune(options: TuneOptions) -> None:
    """Search for good parameters with Optuna, then train with them as train does; parameters that are given stay.

    Trials are measured by the loss on some of the training rows, or on those of --validation; bad ones are stopped early. The held-out rows
    take no part.
    """
    from pysmorch.cli import training, tuning

    _set_limits(options)
    tuning.check_options(options)
    training.train(options)


@app.command()
def resume(run: Annotated[str, typer.Argument(help="folder of a run, which train --checkpoint began")]) -> None:
    """Go on with a training that was interrupted, to the same bits as if it had not been; its command is in the folder."""
    from pysmorch.cli import runs, training

    options, folder = runs.stored_command(run)
    _set_limits(options)
    with folder:
        training.train(options, resumed=True)


@app.command("runs")
def list_runs(
    folder: Annotated[str, typer.Argument(help="folder of train --log")],
    run: Annotated[
        list[str] | None,
        typer.Argument(help="runs of the list to compare side by side", show_default="all of them in a list"),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(help="metric by which they are sorted, the smallest value first", show_default="by time"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the records as one JSON object")] = False,
) -> None:
    """List the trainings that were recorded with train --log, or compare some of them."""
    from pysmorch.cli import log

    log.show(folder, run or [], sort, as_json)


@app.command(cls=CommandWithChoices)
@takes(PredictOptions)
def predict(options: PredictOptions) -> None:
    """Predict the rows of a source: a column with the prediction, and one with each class's probability.

    Image files, one or a folder with or without class folders, come with their names. They are made grey or coloured as the
    model takes them, and resized if those of the training were.
    """
    from pysmorch.cli import prediction

    _set_limits(options)
    prediction.predict(options)


@app.command(cls=CommandWithChoices)
@takes(EvaluateOptions)
def evaluate(options: EvaluateOptions) -> None:
    """Say how good a model is on all rows of a source."""
    from pysmorch.cli import evaluation

    _set_limits(options)
    evaluation.evaluate(options)


@app.command(cls=CommandWithChoices)
@takes(ExplainOptions)
def explain(options: ExplainOptions) -> None:
    """Say what each column of one row contributes to its prediction, beside a row whose cells are the mean of the training.

    The contributions are integrated gradients: together they are what is predicted for the row, less what is predicted for the mean row.
    """
    from pysmorch.cli import explaining

    _set_limits(options)
    explaining.explain(options)


@app.command()
@takes(ReportOptions)
def report(options: ReportOptions) -> None:
    """Write a report on a model: one page with measures, pictures, mistakes and settings; of several models it compares them.

    The rows are best those that were not trained on. Without their target there is what can be said without it.
    """
    from pysmorch.cli import reporting

    _set_limits(options)
    reporting.report(options)


@app.command(cls=CommandWithChoices)
@takes(QuantizeOptions)
def quantize(options: QuantizeOptions) -> None:
    """Make a model with weights of 8 bits, a quarter of the size, that predicts nearly the same and cannot be trained.

    How large the values between its layers become is learned from the rows of a source: take some hundred of the training, or all.
    """
    from pysmorch.cli import quantizing

    _set_limits(options)
    quantizing.quantize(options)


@app.command(cls=CommandWithChoices)
@takes(ExportOptions)
def export(options: ExportOptions) -> None:
    """Write a model as a file that works without pysmorch: ONNX, C or Python with NumPy.

    An ONNX file is compared with ONNX Runtime on rows of a source, where one is named.
    """
    from pysmorch.cli import exporting

    _set_limits(options)
    exporting.export(options)


@app.command()
def show(model: Annotated[str, typer.Argument(help="model file")]) -> None:
    """Show what is in a model file: its columns, classes, layers, and how it was trained."""
    from pysmorch.cli import models

    models.show(model)


@app.command()
def check(
    file: Annotated[str | None, typer.Argument(help="Python file with layer classes of your own")] = None,
) -> None:
    """Compare the gradients of all layers with finite differences, of the library or of a file; name the mistakes."""
    from pysmorch.gradcheck import check_file, check_library

    report = check_library() if file is None else check_file(file)
    print(report)
    print(f"{sum(row.passed for row in report)} of {len(report.rows)} gradients are right")
    raise typer.Exit(0 if report.passed else 1)


@app.command()
@takes(GradeOptions)
def grade(options: GradeOptions) -> None:
    """Grade students' layers: points, the likely mistake, the smallest example and a hint for each test that fails.

    A folder is a class, with a file, a notebook or a folder for each student; a run that was interrupted goes on where it was. A file
    runs in a process of its own with limits of time and memory, in a folder that is removed afterwards. This protects from mistakes,
    not from malice: use a container for files of strangers.
    """
    from pysmorch.cli import grading

    raise typer.Exit(0 if grading.grade(options) else 1)


@app.command()
def doctor() -> None:
    """Say what PySmorch finds on this machine: versions, BLAS, cores, memory, and what would run."""
    from pysmorch.cli.doctor import findings

    for name, value in findings().items():
        print(f"{name:<14}{value}")


@app.command()
@takes(ServeOptions)
def serve(options: ServeOptions) -> None:
    """Serve the predictions of a model over HTTP, and a page with a form of its columns; only this machine reaches it without --host."""
    from pysmorch.cli import serving

    serving.serve(options)


@app.command("playground")
def serve_playground(
    port: Annotated[int, typer.Option(help="where the page is served; 0 takes any free port")] = 8642,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="print the address and open no browser")] = False,
) -> None:
    """Serve a page on which small networks are put together, trained and looked at; only this machine reaches it."""
    from pysmorch.cli import playground

    playground.serve(port, with_browser=not no_browser)


course = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Learn backpropagation by completing the library, lesson by lesson.",
)
app.add_typer(course, name="course")


@course.command("start")
def start_course(
    folder: Annotated[str, typer.Argument(help="a new folder, or one with the course in it")],
    hard: Annotated[bool, typer.Option("--hard", help="Without the formulas above the blanks.")] = False,
) -> None:
    """Put the lessons into a folder, as notebooks and as scripts; what is there already is left alone."""
    from pysmorch.cli import teaching

    teaching.start(folder, hard)


@course.command()
def hint(
    folder: Annotated[str, typer.Argument(help="the folder with the lessons")],
    name: Annotated[str, typer.Argument(help="the class or function, such as Relu")],
) -> None:
    """Open the next of three steps to a class or function: where to look, which rule, the formula."""
    from pysmorch.cli import teaching

    teaching.hint(folder, name)


@course.command()
def status(folder: Annotated[str, typer.Argument(help="the folder with the lessons")]) -> None:
    """Say which pieces of the lessons are done, after trying them once more."""
    from pysmorch.cli import teaching

    teaching.status(folder)


@course.command()
def solutions(folder: Annotated[str, typer.Argument(help="a new or empty folder")]) -> None:
    """Put the lessons with solutions and answers into a folder, for teachers."""
    from pysmorch.cli import teaching

    teaching.solutions(folder)


@course.command("html")
def course_pages(
    folder: Annotated[str, typer.Argument(help="a new or empty folder")],
    with_solutions: Annotated[
        bool, typer.Option("--solutions", help="With solutions and answers instead of blanks.")
    ] = False,
) -> None:
    """Write the whole course as static pages to read, also on a phone."""
    from pysmorch.cli import teaching

    teaching.pages(folder, with_solutions)


def _version(requested: bool) -> None:
    if requested:
        import pysmorch

        print(f"pysmorch {pysmorch.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    pass
