"""The options of the commands, each declared once with its help; nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, get_args

import typer

from pysmorch.engine import Precision
from pysmorch.export.targets import Target
from pysmorch.layers.activations import ACTIVATIONS
from pysmorch.metrics import METRIC_NAMES
from pysmorch.optimizers import OPTIMIZERS
from pysmorch.prediction.parameters import Layout, TrainingPrecision

SOURCE = (
    "a table as CSV, Parquet, Arrow, JSON, Excel or SQLite, an .npz, an idx file of images, a folder of images "
    "(FOLDER/CLASS/FILE) or of tables, a pattern such as 'part-*.csv', - for standard input, or a bundled set: digits, iris, "
    "wine, breast-cancer, diabetes; several files are rows of one table"
)

Texts = list[str] | None
Sources = Annotated[list[str], typer.Argument(help=SOURCE)]
MetricNames = Annotated[Texts, typer.Option("--metric", help=f"what else is measured, once for each: {METRIC_NAMES}")]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON object on standard output, all else on standard error")]
Force = Annotated[
    bool, typer.Option("--force", help="write the file even where that replaces data or a file of another kind")
]

PredictPrecision = Annotated[
    str | None,
    typer.Option(
        "--precision",
        help=f"of the arithmetic, {', '.join(get_args(Precision))}; without it, that of the model; auto takes bf16 where it can",
    ),
]


@dataclass(kw_only=True)
class LabelOptions:
    """What is to be predicted, and how much a row counts."""

    target: Annotated[
        str | None,
        typer.Option(
            help="column to predict: a name, or a number (negative from the end); evaluate takes that of the training"
        ),
    ] = None
    labels: Annotated[str | None, typer.Option(help="idx file with the labels of the images")] = None
    weight: Annotated[str | None, typer.Option(help="column with the weight of each row, which is no feature")] = None


@dataclass(kw_only=True)
class ReadOptions:
    """How files are read."""

    no_header: Annotated[
        bool | None, typer.Option("--no-header", help="the CSV file has no names; columns are 0, 1, 2, ...")
    ] = None
    missing: Annotated[
        str | None, typer.Option(help='what cells without a value hold, separated by commas, as in "NA,?"')
    ] = None
    encoding: Annotated[str | None, typer.Option(help="of text files, such as latin-1 or cp1252")] = None
    resize: Annotated[
        str | None, typer.Option(help="size that image files are brought to, height x width as in 32x48, or 32")
    ] = None
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="leave out image files that cannot be read")] = False
    threads: Annotated[int | None, typer.Option(help="how many threads may be used; no result depends on it")] = None
    max_memory: Annotated[
        str | None,
        typer.Option(help="memory that reading may take, as in 4GB; without it, three quarters of what is left"),
    ] = None


@dataclass(kw_only=True)
class ParameterOptions:
    """Parameters of the estimators, by their names; None leaves a parameter at its default."""

    columns: Annotated[
        Texts,
        typer.Option(
            "--column", help="what a column is, as in zip=category, once for each: {kinds}; else it is found out"
        ),
    ] = None
    preset: Annotated[
        str | None,
        typer.Option(
            help="how much is spent on a table: {presets}; fast is one network, the others the mean of several; without it balanced"
        ),
    ] = None
    members: Annotated[
        int | None, typer.Option(help="how many networks are averaged, instead of those of the preset")
    ] = None
    time_limit: Annotated[
        float | None, typer.Option(help="seconds that the training may take; what fits into them is said")
    ] = None
    hidden: Annotated[str | None, typer.Option(help="widths of the hidden layers, as in 256,128")] = None
    activation: Annotated[str | None, typer.Option(help=", ".join(ACTIVATIONS))] = None
    embedding: Annotated[
        bool | None,
        typer.Option("--embedding/--no-embedding", help="whether numbers of a table have a trainable embedding"),
    ] = None
    dropout: Annotated[float | None, typer.Option(help="fraction of hidden units dropped while training")] = None
    loss: Annotated[str | None, typer.Option(help="of a regression: {losses}")] = None
    quantile: Annotated[
        str | None, typer.Option(help="what --loss quantile predicts, between 0 and 1; several as in 0.1,0.5,0.9")
    ] = None
    power: Annotated[
        float | None,
        typer.Option(help="of the mean, to which the variance is proportional for --loss tweedie; 1.5 without it"),
    ] = None
    class_weight: Annotated[
        Texts, typer.Option(help="balanced, or CLASS=FACTOR once for each class: how much its rows count")
    ] = None
    calibrate: Annotated[
        bool | None,
        typer.Option(
            "--calibrate/--no-calibrate",
            help="whether validation rows, held out where there are none, calibrate the probabilities",
        ),
    ] = None
    threshold: Annotated[
        Texts,
        typer.Option(
            help="how a class is decided for: {thresholds} is best on validation rows, a number is the least probability of the second "
            "class, RIGHT:PREDICTED=COST, once for each pair, what a mistake costs (1 without it)"
        ),
    ] = None
    label_smoothing: Annotated[
        float | None, typer.Option(help="fraction of each label that is spread over all classes")
    ] = None
    optimizer: Annotated[str | None, typer.Option(help=", ".join(OPTIMIZERS))] = None
    learning_rate: Annotated[float | None, typer.Option(help="peak of the learning rate")] = None
    weight_decay: Annotated[float | None, typer.Option(help="pulls the weights of the network towards 0")] = None
    batch_size: Annotated[int | None, typer.Option(help="rows for one step")] = None
    epochs: Annotated[int | None, typer.Option(help="how many times all rows are used at most")] = None
    early_stopping: Annotated[
        bool | None,
        typer.Option(
            "--early-stopping/--no-early-stopping",
            help="whether some training rows are for validation, and their loss says when to stop",
        ),
    ] = None
    conformal_fraction: Annotated[
        float | None,
        typer.Option(
            help="fraction of the training rows that is set aside, so that predict --interval and --set cover what they say"
        ),
    ] = None
    patience: Annotated[int | None, typer.Option(help="epochs without a better loss before training stops")] = None
    precision: Annotated[
        str | None,
        typer.Option(
            help=f"{', '.join(get_args(TrainingPrecision))}; bf16 makes products of bfloat16, which are faster"
        ),
    ] = None


@dataclass(kw_only=True)
class ImageOptions:
    """Networks and augmentations for images, and how image files are read."""

    network: Annotated[
        str | None, typer.Option(help="mlp, or for images also {networks}; without it, what suits their size")
    ] = None
    augment: Annotated[
        str | None,
        typer.Option(help="random changes of images while training, separated by commas: {augmentations}"),
    ] = None
    grey: Annotated[bool, typer.Option("--grey", help="make all image files grey")] = False
    colour: Annotated[bool, typer.Option("--colour", help="take all image files as colour")] = False


@dataclass(kw_only=True)
class HoldOutOptions:
    """Which rows are held out of the training, for validation and for the metrics."""

    validation: Annotated[
        str | None,
        typer.Option(
            help="folder or file of validation rows, whose loss is shown after each epoch and says when to stop; or the fraction "
            "of the training rows that is held out for that"
        ),
    ] = None
    validation_labels: Annotated[
        str | None, typer.Option(help="idx file with the labels of the images of --validation")
    ] = None
    test: Annotated[
        float | None,
        typer.Option(help="fraction of the rows that is held out for the metrics, 0.2 without it; 0 for none"),
    ] = None
    test_file: Annotated[
        str | None, typer.Option(help="measure on this file or folder instead of on held-out rows")
    ] = None
    test_labels: Annotated[str | None, typer.Option(help="idx file with the labels of the images of --test-file")] = (
        None
    )
    split_time: Annotated[
        str | None, typer.Option(help="column of times or numbers whose latest rows are held out")
    ] = None
    split_group: Annotated[
        str | None, typer.Option(help="column whose equal values are held out together; it is no feature")
    ] = None


@dataclass(kw_only=True)
class TrainOptions(ReadOptions, ImageOptions, ParameterOptions, HoldOutOptions, LabelOptions):
    """All of `pysmorch train`."""

    source: Annotated[Texts, typer.Argument(help=SOURCE, show_default="digits")] = None
    drop: Annotated[
        Texts, typer.Option(help="column to leave out, once for each; also several, separated by commas")
    ] = None
    task: Annotated[str | None, typer.Option(help="classification or regression, instead of the inferred one")] = None
    out: Annotated[str, typer.Option(help="model file to write")] = "model.safetensors"
    checkpoint: Annotated[
        str | None,
        typer.Option(
            help="new folder for the run: after an interruption, pysmorch resume FOLDER goes on to the same bits"
        ),
    ] = None
    every: Annotated[
        str, typer.Option(help='how often --checkpoint is written, as in "30 s", "5 min", "2 epochs" or "500 batches"')
    ] = "5 min"
    by: Annotated[
        Texts,
        typer.Option(
            help="column with groups, such as shops, once for each: a small model for each group, all in one file, which predict takes"
        ),
    ] = None
    fallback: Annotated[
        bool, typer.Option("--fallback", help="with --by: one more model of all rows, for groups that are not known")
    ] = False
    log: Annotated[
        str | None,
        typer.Option(
            help="folder to which a record of the training is added; pysmorch runs FOLDER lists and compares them"
        ),
    ] = None
    cluster: Annotated[
        str | None,
        typer.Option(
            help='address HOST:PORT of a Ray cluster whose machines train together, to the same bits, or make the trials of tune; "auto" for '
            "the one of this machine"
        ),
    ] = None
    workers: Annotated[
        str,
        typer.Option(
            help='with --cluster: how many, as in 4 or 2-8; "auto" takes what there is, and train measures whether that is faster'
        ),
    ] = "auto"
    start_from: Annotated[
        str | None, typer.Option(help="model file whose training goes on, with new rows or more epochs")
    ] = None
    report: Annotated[
        str | None, typer.Option(help="HTML file for a report on the model; pysmorch report makes one later")
    ] = None
    force: Force = False
    seed: Annotated[int, typer.Option(help="the same seed gives the same model")] = 0
    baselines: Annotated[
        bool,
        typer.Option(
            "--baselines/--no-baselines",
            help="whether a linear model and HistGradientBoosting are measured on the same held-out rows of a table",
        ),
    ] = True
    metric: MetricNames = None
    as_json: AsJson = False
    quiet: Annotated[bool, typer.Option("--quiet", help="only the metrics")] = False


@dataclass(kw_only=True)
class TuneOptions(TrainOptions):
    """All of `pysmorch tune`."""

    trials: Annotated[
        int,
        typer.Option(help="how many trials there are in the end, with those in --storage and those of other processes"),
    ] = 50
    storage: Annotated[
        str | None,
        typer.Option(
            help="SQLite file for the trials: the same command goes on from there, and two at a time share the search"
        ),
    ] = None


@dataclass(kw_only=True)
class PredictOptions(ReadOptions):
    """All of `pysmorch predict`."""

    model: Annotated[str, typer.Argument(help="model file")]
    source: Sources
    interval: Annotated[
        float | None,
        typer.Option(
            help="also write the bounds of an interval that holds the target with this probability, as in 0.9"
        ),
    ] = None
    set_coverage: Annotated[
        float | None,
        typer.Option(
            "--set",
            help="also write which classes are in a set that holds the right one with this probability, as in 0.9",
        ),
    ] = None
    out: Annotated[
        str | None,
        typer.Option(
            help=".csv or .parquet file to write, or a folder (FOLDER/) for a file of each file of the source; without it, standard output"
        ),
    ] = None
    ids: Annotated[Texts, typer.Option("--id", help="column of the source that is written beside the predictions")] = (
        None
    )
    precision: PredictPrecision = None
    cluster: Annotated[
        str | None,
        typer.Option(
            help='address HOST:PORT of a Ray cluster whose machines predict blocks of the rows; "auto" for the one of this machine'
        ),
    ] = None
    force: Force = False


@dataclass(kw_only=True)
class EvaluateOptions(ReadOptions, LabelOptions):
    """All of `pysmorch evaluate`."""

    model: Annotated[str, typer.Argument(help="model file")]
    source: Sources
    metric: MetricNames = None
    precision: PredictPrecision = None
    importance: Annotated[
        bool,
        typer.Option(
            "--importance", help="also say how much worse the model is when the cells of each column are shuffled"
        ),
    ] = False
    as_json: AsJson = False


@dataclass(kw_only=True)
class ExplainOptions(ReadOptions):
    """All of `pysmorch explain`."""

    model: Annotated[str, typer.Argument(help="model file")]
    source: Sources
    row: Annotated[int, typer.Option(help="which row of the source, counted from 1 without the line of names")] = 1
    of: Annotated[
        str | None,
        typer.Option(
            help="class whose log-odds are explained, without it the predicted one; of several quantiles or targets, which one"
        ),
    ] = None
    as_json: AsJson = False


@dataclass(kw_only=True)
class ReportOptions(ReadOptions, LabelOptions):
    """All of `pysmorch report`."""

    files: Annotated[
        list[str],
        typer.Argument(help="one model file, or several that are compared, and then the rows: files as for predict"),
    ]
    training: Annotated[
        str | None, typer.Option(help="rows of the training, for simpler models and remarks on data and split")
    ] = None
    out: Annotated[str, typer.Option(help="HTML file to write")] = "report.html"
    force: Force = False


@dataclass(kw_only=True)
class QuantizeOptions(ReadOptions):
    """All of `pysmorch quantize`."""

    model: Annotated[str, typer.Argument(help="model file")]
    source: Sources
    out: Annotated[str, typer.Option(help="model file to write")] = "quantized.safetensors"
    force: Force = False


@dataclass(kw_only=True)
class ExportOptions(ReadOptions):
    """All of `pysmorch export`."""

    model: Annotated[str, typer.Argument(help="model file")]
    source: Annotated[
        list[str] | None,
        typer.Argument(help="rows whose predictions are compared with those of ONNX Runtime; files as for predict"),
    ] = None
    to: Annotated[
        Target | None,
        typer.Option(
            help="ONNX, one file of C99, or one Python file that needs NumPy alone; else what --out ends in says it"
        ),
    ] = None
    out: Annotated[
        str | None, typer.Option(help="file to write; else model.onnx, model.c or model.py", show_default=False)
    ] = None
    layout: Annotated[
        Layout, typer.Option(help="whether images of an ONNX file will have their channels last (nhwc) or first (nchw)")
    ] = "nhwc"
    force: Force = False
