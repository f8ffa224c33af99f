"""The command line: `pysmorch train data.csv --target price`."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer

from pysmorch.layers.activations import ACTIVATIONS
from pysmorch.metrics import METRIC_NAMES

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Neural networks on the machine people have: tables and small images in, a model file and an honest score out.",
)

SOURCE = (
    "a CSV or Parquet file, an .npz, an idx file of images, a folder of images (FOLDER/CLASS/FILE), "
    "or a bundled set: digits, iris, wine, breast-cancer, diabetes"
)

Labels = Annotated[str | None, typer.Option(help="idx file with the labels of the images")]
Precision = Annotated[
    str | None, typer.Option(help="float32; bf16 for products of bfloat16, which are faster; auto where possible")
]
MetricNames = Annotated[
    list[str] | None,
    typer.Option("--metric", help=f"what else is measured, once for each: {METRIC_NAMES}"),
]
NetworkName = Annotated[
    str | None,
    typer.Option(
        help="mlp, or for images also lenet, resnet20, resnet32, resnet44, resnet56, mobilenet_small; "
        "without it lenet for images of 16x16 pixels and more"
    ),
]
Augmentations = Annotated[
    str | None,
    typer.Option(
        help="random changes of images while training, separated by commas: shift:PIXELS, flip (left-right), "
        "crop:SIZE (the network then sees smaller images, in prediction the centre), cutout:SIZE (a square of zeros)"
    ),
]
Resize = Annotated[
    str | None, typer.Option(help="size that image files are brought to, height x width as in 32x48, or 32")
]
ResizeAgain = Annotated[
    str | None, typer.Option(help="size that image files are brought to, if they were not in training")
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="leave out image files that cannot be read")]
NoHeader = Annotated[bool | None, typer.Option("--no-header", help="the CSV file has no names")]

INTERRUPTED = 130


def main() -> None:
    """Run the command line; a user's mistake is one line on standard error and exit code 2."""
    try:
        code = app(prog_name="pysmorch", standalone_mode=False)
        sys.stdout.flush()
        if code == INTERRUPTED:  # Typer turns an interrupt into a code of its own accord
            _say("interrupted; no file was written", code)
    except BrokenPipeError:  # the process that reads the output has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except KeyboardInterrupt:
        code = _say("interrupted; no file was written", INTERRUPTED)
    except OSError as error:
        reason = error.strerror or str(error)
        code = _say(f"{error.filename}: {reason}" if error.filename else reason, 2)
    except (ValueError, ArithmeticError, MemoryError) as error:
        code = _say(str(error) or type(error).__name__, 2)
    except Exception as error:
        # Typer's own usage errors know their message; anything else is a bug and shows its traceback.
        if type(error).__name__ == "NoArgsIsHelpError":
            print(error.format_message(), file=sys.stderr)  # type: ignore[attr-defined]
            code = 2
        elif hasattr(error, "format_message"):
            code = _say(f"{error.format_message()} (see pysmorch --help)", 2)
        else:
            raise
    sys.exit(code or 0)


def _say(message: str, code: int) -> int:
    print(f"pysmorch: error: {' '.join(message.split())}", file=sys.stderr)
    return code


@app.command()
def train(
    source: Annotated[str, typer.Argument(help=SOURCE)] = "digits",
    target: Annotated[
        str | None, typer.Option(help="column to predict: a name, or a number (negative from the end)")
    ] = None,
    labels: Labels = None,
    out: Annotated[str, typer.Option(help="model file to write")] = "model.safetensors",
    task: Annotated[str | None, typer.Option(help="classification or regression, instead of the inferred one")] = None,
    test: Annotated[
        float, typer.Option(help="fraction of the rows that is held out for the figures; 0 for none")
    ] = 0.2,
    hidden: Annotated[str | None, typer.Option(help="widths of the hidden layers, as in 256,128")] = None,
    activation: Annotated[str | None, typer.Option(help=", ".join(ACTIVATIONS))] = None,
    dropout: Annotated[float | None, typer.Option(help="fraction of hidden units dropped while training")] = None,
    epochs: Annotated[int | None, typer.Option(help="how many times all rows are used at most")] = None,
    batch_size: Annotated[int | None, typer.Option(help="rows for one step")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="peak of the learning rate")] = None,
    precision: Precision = None,
    network: NetworkName = None,
    augment: Augmentations = None,
    resize: Resize = None,
    grey: Annotated[bool, typer.Option("--grey", help="make all image files grey")] = False,
    colour: Annotated[bool, typer.Option("--colour", help="take all image files as colour")] = False,
    skip_bad: SkipBad = False,
    drop: Annotated[str | None, typer.Option(help="columns to leave out, separated by commas")] = None,
    no_header: Annotated[
        bool, typer.Option("--no-header", help="the CSV file has no names; columns are 0, 1, 2, ...")
    ] = False,
    seed: Annotated[int, typer.Option(help="the same seed gives the same model")] = 0,
    metric: MetricNames = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="only the figures")] = False,
) -> None:
    """Train a model, say how good it is on rows it has not seen, and write it into a file."""
    from pysmorch.cli import commands, networks

    options = {
        "hidden": commands.parse_hidden(hidden),
        "activation": activation,
        "dropout": dropout,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "precision": precision,
    }
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    commands.train(
        source,
        target,
        labels,
        out,
        task,
        test,
        (drop or "").split(",") if drop else [],
        not no_header,
        seed,
        quiet,
        given,
        metric or [],
        networks.parse(network, augment, resize, grey, colour, skip_bad),
    )


@app.command()
def predict(
    model: Annotated[str, typer.Argument(help="model file")],
    source: Annotated[str, typer.Argument(help=SOURCE)],
    out: Annotated[str | None, typer.Option(help=".csv or .parquet file to write; standard output without it")] = None,
    no_header: NoHeader = None,
    resize: ResizeAgain = None,
    skip_bad: SkipBad = False,
) -> None:
    """Predict the rows of a source: a column with the prediction, and one with each class's probability.

    Image files, one or a folder with or without class folders, come with their names. They are made grey or coloured as the
    model takes them, and resized if those of the training were.
    """
    from pysmorch.cli import commands

    commands.predict(model, source, out, no_header, resize, skip_bad)


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="model file")],
    source: Annotated[str, typer.Argument(help=SOURCE)],
    target: Annotated[
        str | None, typer.Option(help="column with the right answers, if it is not called as in training")
    ] = None,
    labels: Labels = None,
    metric: MetricNames = None,
    no_header: NoHeader = None,
    resize: ResizeAgain = None,
    skip_bad: SkipBad = False,
) -> None:
    """Say how good a model is on all rows of a source."""
    from pysmorch.cli import commands

    commands.evaluate(model, source, target, labels, metric or [], no_header, resize, skip_bad)


@app.command()
def show(model: Annotated[str, typer.Argument(help="model file")]) -> None:
    """Show what is in a model file: its columns, classes, layers, and how it was trained."""
    from pysmorch.cli import commands

    commands.show(model)


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
def grade(
    files: Annotated[list[str], typer.Argument(help="Python files with classes named like the library's")],
    only: Annotated[
        str | None, typer.Option(help="these classes alone, as in Linear,Relu; one that lacks gets 0")
    ] = None,
    points: Annotated[str | None, typer.Option(help="what each class is worth, as in Linear=10,Relu=5")] = None,
    timeout: Annotated[float, typer.Option(help="seconds for a file in all; a test may take a tenth of them")] = 60.0,
    memory: Annotated[str, typer.Option(help="memory that a file may use, as in 2GB")] = "2GB",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON instead of text")] = False,
    junit: Annotated[str | None, typer.Option(help="write the results into this file as JUnit's XML too")] = None,
) -> None:
    """Grade students' layers: points, the likely mistake, the smallest example and a hint for each test that fails.

    A file runs in a process of its own with limits of time and memory, in a folder that is removed afterwards. This
    protects from mistakes, not from malice: use a container for files of strangers.
    """
    from pysmorch.cli import grading

    raise typer.Exit(0 if grading.grade(files, as_json, junit, points, timeout, memory, only) else 1)


@app.command()
def doctor() -> None:
    """Say what PySmorch finds on this machine: versions, BLAS, cores, memory, and what would run."""
    from pysmorch.cli.doctor import findings

    for name, value in findings().items():
        print(f"{name:<14}{value}")


course = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Learn backpropagation by completing the library, lesson by lesson.",
)
app.add_typer(course, name="course")


@course.command("start")
def start_course(folder: Annotated[str, typer.Argument(help="a new folder, or one with the course in it")]) -> None:
    """Put the lessons into a folder, as notebooks and as scripts; what is there already is left alone."""
    from pysmorch.cli import teaching

    teaching.start(folder)


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
