"""The defaults on tables, beside those of other libraries: error, log loss, calibration, seconds and memory over repeated splits.

    python benchmarks/tabular.py                      # every model that is installed, on every table that is not put aside
    python benchmarks/tabular.py --only crx,ames --models LightGBM,PySmorch --seeds 2
    python benchmarks/tabular.py --set dropout=0.1    # the library with another parameter, as a column of its own
    python benchmarks/tabular.py --report             # what is known so far, without measuring
    python benchmarks/tabular.py --put-aside          # the tables that are put aside

Each fit has a process of its own and a limit of time; what fails is stored as a failure. Results are lines of JSON, written as they come:
what is there is not measured again, so a run can be stopped and taken up at any time, and several files are reported together. Splits
come first, then tables from the smallest to the largest, so that a part of the runs says something about all tables.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import multiprocessing
import os
import signal
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import machine
import numpy as np
import tabular_data
import tabular_models
import tabular_report
import tabular_scores

HERE = Path(__file__).parent
DATA = Path(os.environ.get("PYSMORCH_TEST_DATA", HERE.parents[1] / "shared" / "data"))
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True)
class Fit:
    """One fit: a column on a split of a table."""

    table: str
    column: str
    seed: int


def main() -> None:
    """Measure what is requested and not known yet, then report."""
    parser = parser_of_arguments()
    arguments = parser.parse_args()
    columns = chosen_columns(arguments, parser)
    names = [name for name in tabular_data.NAMES if tabular_data.put_aside(name) == arguments.put_aside]
    if arguments.only:
        names = chosen(arguments.only, names, "table", parser)
    if not arguments.report:
        tables = readable(names, arguments.data)
        for variable in THREAD_VARIABLES:  # read when a process starts
            os.environ[variable] = str(arguments.threads)
        os.environ.pop("OPENBLAS_CORETYPE", None)
        measure(tables, columns, arguments, parser)
    rows = [row for path in [*arguments.beside, arguments.results] for row in stored(path)[0]]
    print(tabular_report.report(rows, names, list(columns) if arguments.models else None, arguments.base))


def parser_of_arguments() -> argparse.ArgumentParser:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="names of tables, with commas between")
    parser.add_argument("--models", default="", help="names of columns, with commas between; all that are installed")
    parser.add_argument("--seeds", type=int, default=10, help="splits of a table at most: a small one has 10, others 5")
    parser.add_argument("--threads", type=int, default=1, help="of each fit")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="after these, no fit is started any more")
    parser.add_argument("--limit", type=float, default=1800, help="seconds that a fit may take with its process")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the library")
    parser.add_argument(
        "--name", default="", help="name of the library's column, instead of its parameters; with --set"
    )
    parser.add_argument("--put-aside", action="store_true", help="the tables that are put aside")
    parser.add_argument("--report", action="store_true", help="only report what is known")
    parser.add_argument(
        "--base", default="HistGradientBoosting", help="the column that seconds and memory are ratios of"
    )
    parser.add_argument("--data", type=Path, default=DATA, help="folder of adult, letter, california and wine-white")
    parser.add_argument(
        "--results", type=Path, default=HERE / "results" / "tabular.jsonl", help="where results are stored"
    )
    parser.add_argument("--beside", type=Path, action="append", default=[], help="other results to report with these")
    return parser


def chosen(wanted: str, known: list[str], what: str, parser: argparse.ArgumentParser) -> list[str]:
    """Return the names between the commas, which have to be known."""
    names = [name.strip() for name in wanted.split(",")]
    for name in names:
        if name not in known:
            parser.error(f"there is no {what} {name!r} here; there are {', '.join(known)}")
    return names


def chosen_columns(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> dict[str, tabular_models.Column]:
    """Return the columns to measure and to report, with the one that --set makes."""
    columns = tabular_models.columns()
    if arguments.models:
        columns = {name: columns[name] for name in chosen(arguments.models, list(columns), "model", parser)}
    if arguments.set:
        settings = dict(setting(text, parser) for text in arguments.set)
        name = arguments.name or " ".join(f"{key}={value}" for key, value in settings.items())
        made = {f"{tabular_models.OURS} {name}": tabular_models.ours(settings)}
        columns = columns | made if arguments.models else made
    return columns


def setting(text: str, parser: argparse.ArgumentParser) -> tuple[str, Any]:
    """Return the name and the value of a parameter, a literal of Python or a text."""
    name, equals, value = text.partition("=")
    known = {*tabular_models.parameters_of_ours(True), *tabular_models.parameters_of_ours(False)}
    if not equals or name not in known:
        parser.error(f"--set {text}: expected NAME=VALUE with one of the parameters {', '.join(sorted(known))}")
    with contextlib.suppress(ValueError, SyntaxError):
        return name, ast.literal_eval(value)
    return name, value


def readable(names: list[str], folder: Path) -> list[tabular_data.Table]:
    """Return the tables that can be read, the smallest first; say which cannot."""
    tables = []
    for name in names:
        try:
            tables.append(tabular_data.load(name, folder))
        except (OSError, ImportError) as error:
            print(f"{name}: left out, {error}")
    return sorted(tables, key=lambda table: len(table.y))


def measure(
    tables: list[tabular_data.Table],
    columns: dict[str, tabular_models.Column],
    arguments: argparse.Namespace,
    parser: argparse.ArgumentParser,
) -> None:
    """Make all fits that the file of results lacks, and add them to it."""
    here = machine.describe() | {"threads": arguments.threads}
    rows, machines = stored(arguments.results)
    if any(found["threads"] != arguments.threads for found in machines):
        parser.error(
            f"{arguments.results} was measured with another number of threads; take another file with --results"
        )
    num_rows = {table.name: len(table.y) for table in tables}
    known = {Fit(row["table"], row["column"], row["seed"]) for row in rows}
    arguments.results.parent.mkdir(exist_ok=True, parents=True)
    end = time.monotonic() + 60 * arguments.minutes
    with arguments.results.open("a") as file:
        if not machines or machines[-1] != here:
            print(json.dumps({"machine": here}), file=file, flush=True)
        for fit in fits(tables, columns, arguments.seeds):
            if fit in known:
                continue
            if time.monotonic() > end:
                print(f"stopped after {arguments.minutes:g} minutes")
                break
            found = in_process(fit, columns[fit.column], arguments)
            settings = columns[fit.column].settings
            row = {**asdict(fit), "settings": settings, "rows": num_rows[fit.table], **found}
            print(json.dumps(row), file=file, flush=True)
            print(line(fit, found), flush=True)


def fits(tables: list[tabular_data.Table], columns: dict[str, tabular_models.Column], seeds: int) -> Iterator[Fit]:
    """All fits in their order; columns that are not installed, or lack a parameter for a table, are left out with a message."""
    there = {}
    for name, column in columns.items():
        if reason := column.reason_missing:
            print(f"{name}: left out, {reason}")
        else:
            there[name] = column
    for table in tables:
        for name, column in there.items():
            if missing := column.missing_parameters(table.regression):
                print(f"{table.name}: left out of {name}, the estimator has no {', '.join(missing)}")
    for seed in range(seeds):
        for table in tables:
            if seed in table.seeds:
                yield from (
                    Fit(table.name, name, seed)
                    for name, column in there.items()
                    if not column.missing_parameters(table.regression)
                )


def in_process(fit: Fit, column: tabular_models.Column, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what a process of its own found, or why it found nothing."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    work = (sender, fit, column.settings, arguments.data, arguments.threads)
    process = context.Process(target=_work, args=work)
    process.start()
    sender.close()
    try:
        if not receiver.poll(arguments.limit):
            return {"failure": f"no result after {arguments.limit:g} seconds"}
        return receiver.recv()
    except EOFError:
        process.join()
        ended = process.exitcode or 0
        return {"failure": f"the process died: {signal.Signals(-ended).name if ended < 0 else f'exit code {ended}'}"}
    finally:
        process.kill()
        process.join()


def _work(sender: Any, fit: Fit, settings: dict[str, Any], data: Path, threads: int) -> None:
    warnings.filterwarnings("ignore")
    nothing = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # libraries print, some from compiled code
        os.dup2(nothing, stream)
    column = tabular_models.ours(settings) if settings else tabular_models.columns()[fit.column]
    try:
        sender.send(measured(fit, column, data, threads))
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        text = (str(error).splitlines() or [""])[0]
        sender.send({"failure": f"{type(error).__name__}: {text} ({Path(where.filename).name}, line {where.lineno})"})


def measured(fit: Fit, column: tabular_models.Column, data: Path, threads: int) -> dict[str, Any]:
    """Return scores, costs, and the peak of memory in megabytes, with what of it came after the table was there.

    The processor's seconds of a fit, over all threads, vary less than its seconds on a machine that has other work.
    """
    table = tabular_data.load(fit.table, data)
    X, y, X_test, y_test = table.split(fit.seed)
    before = restarted_peak()
    start = time.perf_counter()
    X, X_test = column.prepare(X, X_test)
    prepared = time.perf_counter() - start
    model = column.make(table.regression, X, fit.seed, threads)
    start, of_processor = time.perf_counter(), time.process_time()
    model.fit(X, y)
    fitted, of_processor = time.perf_counter(), time.process_time() - of_processor
    if table.regression:
        found = np.asarray(model.predict(X_test), float).ravel()
    else:
        found = tabular_models.probabilities(model, X_test, table.num_classes)
    predicted = time.perf_counter()
    peak = memory("VmHWM")
    seconds = {
        "fit_seconds": prepared + fitted - start,
        "processor_seconds": of_processor,
        "predict_seconds": predicted - fitted,
    }
    if table.regression:
        quantiles = tabular_models.quantiles(model, X_test, tabular_scores.LEVELS)
        scores = tabular_scores.scores_of_numbers(y_test, found, quantiles, float(y.std()))
    else:
        scores = tabular_scores.scores_of_classes(y_test, found)
    return scores | seconds | {"memory": peak, "memory_added": peak - before}


def restarted_peak() -> float:
    """Return the resident memory; where the system allows it, the peak is counted from here on."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


def memory(field: str) -> float:
    """Return a field of the process's status in megabytes (Linux); elsewhere NaN."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return float("nan")
    return next(int(text.split()[1]) for text in lines if text.startswith(field)) / 1024


def stored(path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the results of a file and the machines they were measured on; a line that was cut off is taken away."""
    if not path.exists():
        return [], []
    text = path.read_text()
    if whole := text[text.rfind("\n") + 1 :]:
        path.write_text(text.removesuffix(whole))
    lines = [json.loads(content) for content in text.removesuffix(whole).splitlines()]
    return [row for row in lines if "table" in row], [row["machine"] for row in lines if "machine" in row]


def line(fit: Fit, found: dict[str, Any]) -> str:
    """Return a line for the screen."""
    shown = found.get("failure") or (
        "  ".join(f"{key} {found[key]:.4f}" for key in ("error", "log_loss", "rmse", "crps") if key in found)
        + f"  fit {found['fit_seconds']:.2f} s  {found['memory_added']:.0f} MB"
    )
    return f"{fit.table:<18}{fit.seed:>3}  {fit.column:<28}{shown}"


if __name__ == "__main__":
    main()
