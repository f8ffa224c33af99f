"""What `pysmorch train` does."""

from __future__ import annotations

import time
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn import config_context

from pysmorch.cli import (
    advice,
    figures,
    holdout,
    log,
    many,
    networks,
    on_cluster,
    output,
    parameters,
    reporting,
    runs,
    tuning,
)
from pysmorch.cli.callbacks import BestSoFar, HeldOutFigures, ShownOnce, show_columns
from pysmorch.cli.data import Rows, check_column, in_file, labelled, read_source
from pysmorch.cli.models import load_estimator
from pysmorch.cli.options import TrainOptions, TuneOptions
from pysmorch.cli.output import Interrupted, Report
from pysmorch.encoders import kind_of, kinds_from
from pysmorch.estimators import Classifier, Regressor
from pysmorch.estimators.held_out import measures_held_out, num_not_aside
from pysmorch.metrics import Metric, as_metric
from pysmorch.prediction.files import bits_in
from pysmorch.prediction.presets import members_of
from pysmorch.sources import has_image_files
from pysmorch.sources.stack import UPPER_BITS
from pysmorch.sources.streaming import StreamedTable
from pysmorch.training.options import interval
from pysmorch.training.run_folder import has_checkpoint
from pysmorch.warnings import PysmorchWarning

MAX_CLASSES_OF_NUMBERS = 20
"""A target of integers with at most so many distinct ones is taken to be classes."""


def train(options: TrainOptions, resumed: bool = False) -> None:
    """Read, infer the task, hold out rows, train, measure, write; all that can be checked is checked before the training.

    With `resumed` the run in the folder `options.checkpoint` goes on.
    """
    report = Report(options.as_json, options.quiet)
    names = options.source or ["digits"]
    chosen = networks.parse(
        options.network, options.augment, options.resize, options.grey, options.colour, options.skip_bad
    )
    given = parameters.given(options)
    metrics = _check_options(options)
    on_cluster.join(options)
    # A search alone is made on the cluster: one training with its parameters is seldom faster there.
    cluster = None if isinstance(options, TuneOptions) else on_cluster.cluster_of(options)
    of_validation = holdout.validation_source(options)
    others = (options.labels, options.test_file, options.test_labels, of_validation, options.validation_labels)
    inputs = [*names, *(name for name in others if name is not None)]
    output.check_output(options.out, inputs, "model of pysmorch", output.is_model, options.force)
    log.check_folder(options.log)
    if options.report is not None:
        reporting.check_report(options.report, "--report", options.force)
    begun = None if options.start_from is None else load_estimator(options.start_from)
    rows = _read(names, options, chosen, report, options.labels, None if begun is None else bits_in(begun.notes_))
    for name in given.get("columns", {}):
        check_column(rows.source, name, "--column")
    task, reason = _infer_task(rows, options.task)
    report.note(f"{task}: {reason}")
    figures.check_metrics(metrics, task)
    estimators: Any = (Classifier, Regressor) if task == "classification" else (Regressor, Classifier)
    parameters.check_task(given, estimators[0], estimators[1], task)
    if "class_weight" in given:
        given["class_weight"] = parameters.match_classes(given["class_weight"], rows.y)
    if "threshold" in given:
        given["threshold"] = parameters.match_costs(given["threshold"], rows.y)
    if options.by:
        many.train(options, estimators[0], rows, given, task, report)
        return
    model, notes = _make(estimators[0], rows, options, chosen, given, report, begun)
    notes = {"source": rows.source.name, "task": task} | notes
    training, held_out, validation = _parts(rows, model, options, chosen, task, report)
    all_rows = rows.source.features
    kinds = kinds_from(all_rows)
    if cluster is None:
        del all_rows
    del rows  # images may take much memory
    if options.checkpoint is not None and not resumed:
        runs.store_command(options)
    with kinds, output.recorded_warnings() as warned:
        if isinstance(options, TuneOptions):
            tuning.search(model, training, validation, options, report)
        started = time.perf_counter()
        interrupted = None
        if cluster is None:
            interrupted = _fit(model, training, validation, held_out, metrics, report, options, resumed)
        else:
            shown = metrics if _measures(model, training, validation)[1] else None
            run = _run_of(training, validation, options, resumed)
            on_cluster.fit(model, cluster, training, all_rows, metrics=shown, **run)
            show_columns(model, report)
    seconds = time.perf_counter() - started
    model.set_params(warm_start=False)
    model.notes_ = notes
    _finish(model, training, held_out, metrics, options, report, interrupted, seconds, warned)


def _check_options(options: TrainOptions) -> list[Metric]:
    many.check_options(options)
    metrics = [as_metric(name, "--metric") for name in options.metric or []]
    if options.task not in (None, "classification", "regression"):
        raise ValueError(f"--task must be classification or regression, but is {options.task!r}")
    holdout.check_options(options)
    interval(options.every, "--every")
    if options.checkpoint is not None and "-" in (options.source or []):
        raise ValueError("--checkpoint: standard input cannot be read a second time; name a file as the source")
    if not 0 <= options.seed < 2**32:
        raise ValueError(f"--seed must be from 0 to {2**32 - 1}, but is {options.seed}")
    if metrics and options.test == 0 and not options.early_stopping and options.validation is None:
        raise ValueError(
            "--metric is measured on held-out rows, but --test 0 holds none out; add --early-stopping or --validation"
        )
    return metrics


def _read(
    names: list[str],
    options: TrainOptions,
    chosen: networks.NetworkOptions,
    report: Report,
    labels: str | None,
    bits: int | None,
    training: Rows | None = None,
) -> Rows:
    """Read the rows of the training, or other ones, whose labels are of the same kind, and whose images are made like those."""
    header = not options.no_header
    size, colours = chosen.resize, chosen.colours
    if training is not None and not has_image_files(names[0]):
        size = colours = None
    elif training is not None and len(training.source.features.shape) == 4:
        colours = "grey" if training.source.features.shape[3] == 1 else "colour"
    source = read_source(names, options, header, options.missing, labels, size, colours, bits)
    report.note(source.description)
    for remark in source.remarks:
        report.note(remark)
    split = holdout.split_column(options)
    classes = None if training is None else np.unique(training.y)
    return labelled(source, options.target, header, report, options.drop or [], options.weight, split, classes)


def _infer_task(rows: Rows, task: str | None) -> tuple[str, str]:
    """Return the task for labels and why it is this one; ValueError where another one was said that is not possible."""
    y = rows.y
    count = len(np.unique(y))
    kind = "text values" if y.dtype.kind not in "fiub" else "numbers"
    found = f"the target has {count} distinct {kind}"
    whole = y.dtype.kind in "iub" or (y.dtype.kind == "f" and bool((y == np.round(y)).all()))
    classes = kind == "text values" or (whole and count <= MAX_CLASSES_OF_NUMBERS)
    inferred = "classification" if classes else "regression"
    if task is None or task == inferred:
        return inferred, found
    if task == "regression" and kind == "text values":
        row = next((i for i, label in enumerate(y.tolist()) if not _is_number(label)), 0)
        raise ValueError(
            f"--task regression needs numbers, but {found}, such as {y.tolist()[row]!r} in {rows.line(row)}"
        )
    return task, f"{found}, and --task says so"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _make(
    estimator: Any,
    rows: Rows,
    options: TrainOptions,
    chosen: networks.NetworkOptions,
    given: dict[str, Any],
    report: Report,
    begun: Any,
) -> tuple[Any, dict[str, Any]]:
    """Return the model to train, that of --start-from if there is one, and what its file should say about the input."""
    if options.start_from is None:
        model = estimator(random_state=options.seed, verbose=not options.quiet, pixels=rows.source.pixels, **given)
        return model, _equip(model, rows, options, chosen, given, report)
    if chosen.network is not None or chosen.augment:
        raise ValueError("--network and --augment are those of the model with --start-from; leave them out")
    model = runs.start_from(begun, options.start_from, estimator, given).set_params(verbose=not options.quiet)
    return model, {name: value for name, value in model.notes_.items() if name != "test"}


def _equip(
    model: Any,
    rows: Rows,
    options: TrainOptions,
    chosen: networks.NetworkOptions,
    given: dict[str, Any],
    report: Report,
) -> dict[str, Any]:
    """Give the model its network, and return what its file should say about the input."""
    source = rows.source
    kind = kind_of(source.features)
    networks.check_allowed(chosen, kind, source.name)
    if kind.networks:
        network, reason = networks.equip(model, chosen, kind, source.features.shape[1:], given)
        report.note(f"network: {network}{reason}")
        return {"network": network, **chosen.notes, **({} if source.bits is None else {"bits": source.bits})}
    notes = {"target": rows.target, "header": not options.no_header}
    return notes if options.missing is None else notes | {"missing": options.missing}


def _parts(
    rows: Rows, model: Any, options: TrainOptions, chosen: networks.NetworkOptions, task: str, report: Report
) -> tuple[Rows, Rows | None, Rows | None]:
    """Return the rows for training, for the metrics and for validation, with the features that the model takes."""
    held_out: Rows | None = None
    validation = None
    training = rows
    if options.test_file is None:
        training, held_out = holdout.split(rows, options, task, options.seed, report)
    inputs = holdout.Inputs(model, training)
    if options.test_file is not None:
        held_out = _other_rows("--test-file", options.test_file, options.test_labels, options, chosen, inputs, report)
    if task == "classification":
        holdout.check_classes(training, held_out, report)
    of_validation = holdout.validation_source(options)
    if of_validation is not None:
        validation = _other_rows(
            "--validation", of_validation, options.validation_labels, options, chosen, inputs, report
        )
        if task == "classification":
            holdout.check_classes(training, validation, report, "validation")
    return training, held_out, validation


def _other_rows(
    option: str,
    name: str,
    labels: str | None,
    options: TrainOptions,
    chosen: networks.NetworkOptions,
    inputs: holdout.Inputs,
    report: Report,
) -> Rows:
    """Return the rows of a source for validation or the metrics, with the features that the model takes."""
    training = inputs.training
    bits = UPPER_BITS if training.source.bits is None else training.source.bits
    rows = _read([name], options, chosen, report, labels, bits, training)
    features = inputs.features_of(rows, bool(options.no_header))
    if (rows.y.dtype.kind in "fiub") != (training.y.dtype.kind in "fiub"):
        found, expected = rows.y.tolist()[0], training.y.tolist()[0]
        raise ValueError(
            f"{option} {name} has labels such as {found!r}, but those of the training are such as {expected!r}"
        )
    return replace(rows, source=replace(rows.source, features=features))


def _fit(
    model: Any,
    training: Rows,
    validation: Rows | None,
    held_out: Rows | None,
    metrics: list[Metric],
    report: Report,
    options: TrainOptions,
    resumed: bool,
) -> str | None:
    """Train; return what to say about an interruption, if there was one after the first epoch."""
    single, validates = _measures(model, training, validation)
    best = BestSoFar(model, report, "val_loss" if validates else "loss")
    callbacks: list[Any] = [best] if single else [ShownOnce(model, report)]
    if single and not validates and held_out is not None and not isinstance(held_out.source.features, StreamedTable):
        callbacks.append(HeldOutFigures(model, held_out))
    shown = metrics if validates else None
    begun = model.n_iter_ if options.start_from is not None else 0
    num_validated = len(model.validation_curve_) if options.start_from is not None else 0
    run = _run_of(training, validation, options, resumed)
    source = training.source
    try:
        with config_context(assume_finite=True):  # the source was searched as a whole, where rows have their lines
            in_file(
                source,
                lambda: model._fit(  # an interruption keeps what was learned until then
                    source.features, training.y, training.weights, metrics=shown, callbacks=callbacks, **run
                ),
            )
    except KeyboardInterrupt:
        epochs = getattr(model, "n_iter_", 0) - begun
        if epochs == 0 and options.checkpoint is None:
            raise
        if epochs == 0:
            raise Interrupted(f"interrupted before the end of an epoch; {_how_to_go_on(options)}") from None
        if not single:
            return f"interrupted after {epochs} epochs; the model is the mean of {model._members} networks, each the best so far"
        if best.best_epoch == 0:
            return f"interrupted after {epochs} epochs of cross-validation; the model has seen a part of the rows"
        best.restore()
        return f"interrupted after {epochs} epochs; the model is the best so far, of epoch {best.best_epoch}"
    finally:
        if not validates:  # what is shown of held-out rows is no part of the model
            del getattr(model, "validation_curve_", [])[num_validated:]
    return None


def _measures(model: Any, training: Rows, validation: Rows | None) -> tuple[bool, bool]:
    """Return whether one network is trained, and whether something is measured on rows that it does not see."""
    count = len(training)
    model._check_parameters()
    if model.conformal_fraction:
        count = num_not_aside(training.by, model.conformal_fraction, count, model._draw_seed())
    members = _num_members(model, training, count)
    return members == 1, validation is not None or measures_held_out(model, count, members)


def _run_of(training: Rows, validation: Rows | None, options: TrainOptions, resumed: bool) -> dict[str, Any]:
    """Return the arguments of `fit` that say how rows are held out, and what is stored on the way."""
    run: dict[str, Any] = {"checkpoint": options.checkpoint, "every": options.every}
    if training.by is not None:
        run["groups"], run["time"] = training.by
    if validation is not None:
        run["eval_set"] = (validation.source.features, validation.y, validation.weights)
    if resumed and has_checkpoint(str(options.checkpoint)):
        run["resume"] = options.checkpoint
    return run


def _num_members(model: Any, training: Rows, count: int) -> int:
    """Return how many networks a training on `count` rows has."""
    if hasattr(model, "network_"):
        return int(model._members)
    features = training.source.features
    return members_of(model, count, features.shape[1], bool(kind_of(features).networks))


def _how_to_go_on(options: TrainOptions) -> str:
    if options.checkpoint is not None:
        return f"pysmorch resume {options.checkpoint} goes on"
    return f"--start-from {options.out} trains on from there, and a run with --checkpoint FOLDER can go on as if nothing had been"


def _finish(
    model: Any,
    training: Rows,
    held_out: Rows | None,
    metrics: list[Metric],
    options: TrainOptions,
    report: Report,
    interrupted: str | None,
    seconds: float,
    warned: list[str],
) -> None:
    """Measure, write the model, compare it with others, and say so."""
    values: dict[str, Any] = {
        **model.notes_,
        "model": options.out,
        "epochs": model.n_iter_,
        "rows": {"training": len(training), "held_out": 0 if held_out is None else len(held_out)},
    }
    is_measured = held_out is not None
    if held_out is not None:
        try:
            measured = figures.measure(
                model, held_out.source.features, held_out.y, held_out.weights, (training.y, training.weights), metrics
            )
        except KeyboardInterrupt:
            interrupted = interrupted or "interrupted after the training; the model has no metrics"
        except MemoryError:  # the training is not to be lost
            is_measured = False
        else:
            model.notes_["test"] = measured.values
            values |= {"metrics": measured.values, "baseline": measured.baseline}
            which = "held-out rows" if options.test_file is None else f"rows of {options.test_file}"
            report.result(f"on {len(held_out)} {which}:\n{measured.text}")
    with warnings.catch_warnings():
        # The notes say what made a network of --network; its function is in no file.
        warnings.filterwarnings("ignore", ".*the parameter network", PysmorchWarning)
        model.save(options.out)
    if held_out is not None and is_measured and interrupted is None:
        values["remarks"] = advice.remarks(model, training, held_out)
    comparison = None
    if options.baselines and held_out is not None and is_measured and interrupted is None:
        try:
            comparison = advice.compared(model, training, held_out, seconds)
        except KeyboardInterrupt:
            interrupted = "interrupted while simpler models were trained"
        else:
            if comparison is not None:
                values["baselines"] = advice.as_values(comparison)
                report.result(f"simpler models on the same rows, where the network took {seconds:.1f} s:\n{comparison}")
    report.result(f"model written to {options.out}")
    values["interrupted"] = interrupted is not None
    if held_out is not None and not is_measured:
        raise MemoryError(
            f"the model is written to {options.out}, but was not measured on the {len(held_out)} held-out rows"
        )
    if options.report is not None:
        split = holdout.in_words(options, training, held_out, model.notes_["task"], options.seed)
        said = [*warned, *values.get("remarks", [])]
        rows = training if held_out is None else held_out
        reporting.report_on_training(options, model, rows, split, said, comparison, seconds)
        report.result(f"report written to {options.report}")
    if options.log is not None:
        report.note(f"record of the training written to {log.record(options, model, values, seconds)}")
    report.finish(values)
    if interrupted is not None:
        raise Interrupted(f"{interrupted}, and written to {options.out}; {_how_to_go_on(options)}")
