"""Write the tables of the README, of docs/speed.md, of docs/prediction.md and of scaling here, from the files in benchmarks/results."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import roofline

HERE = Path(__file__).parent
BEGIN, END = "<!-- figures: benchmarks/tables.py -->", "<!-- end of figures -->"


def microseconds(seconds: float) -> str:
    value = seconds * 1e6
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def results(name: str) -> Any:
    return json.loads((HERE / "results" / f"{name}.json").read_text())


def table(name: str, unit: str) -> list[str]:
    stored = results(name)
    columns = list(dict.fromkeys(library for row in stored["rows"] for library in row["seconds"]))
    lines = [f"| {unit} | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for row in stored["rows"]:
        cells = [microseconds(row["seconds"][c]) if c in row["seconds"] else "–" for c in columns]
        lines.append(f"| {row['workload']}, {row['batch']} | " + " | ".join(cells) + " |")
    return lines


def machine_of(name: str) -> str:
    """Return the machine that something was measured on."""
    about = results(name)["machine"]
    return f"{about['cores']} cores of an {about['processor']} processor ({', '.join(about['instructions'])})"


def images() -> list[str]:
    """Return the tables of networks for images, as far as they were measured."""
    lines = []
    if (HERE / "results" / "images.json").exists():
        lines += [
            "Microseconds for one step of training networks for images (28 x 28 x 1 and 32 x 32 x 3; images of a batch):",
            "",
            *table("images", "µs a step"),
            "",
        ]
    if (HERE / "results" / "lenet.json").exists():
        lenet = results("lenet")
        lines += [
            f"LeNet trained for {lenet['epochs']} epochs on 8,000 images of MNIST, tested on 2,000, means of {lenet['seeds']} seeds:",
            "",
            "| | test accuracy | seconds |",
            "|---|---|---|",
            *(
                f"| {name} | {statistics.mean(found['accuracy']):.4f} | {statistics.mean(found['seconds']):.1f} |"
                for name, found in lenet["libraries"].items()
            ),
            "",
        ]
    if lines and machine_of("images") != machine_of("training"):
        lines += [f"Networks for images were measured on {machine_of('images')}.", ""]
    return lines


def scaling() -> str:
    """Return the table over batches, widths and depths, with one thread and with two in a cell."""
    found: dict[str, dict[int, dict[str, float]]] = {}
    about = {}
    for row in results("scaling")["rows"]:
        found.setdefault(row["workload"], {})[row["threads"]] = row["seconds"]
        about[row["workload"]] = f"{_sizes(row['network'])}, {row['batch']}"
    libraries = list(dict.fromkeys(name for by_threads in found.values() for of in by_threads.values() for name in of))
    lines = ["| | sizes, rows of a batch | " + " | ".join(libraries) + " |", "|---" * (len(libraries) + 2) + "|"]
    for workload, by_threads in found.items():
        counts = [by_threads.get(threads, {}) for threads in (1, 2)]
        cells = [" / ".join(microseconds(of[name]) if name in of else "–" for of in counts) for name in libraries]
        lines.append(f"| {workload} | {about[workload]} | " + " | ".join(cells) + " |")
    return "\n".join(
        [
            "Microseconds for one step of training, with one thread / with two:",
            "",
            *lines,
            "",
            f"Measured side by side on {machine_of('scaling')}.",
        ]
    )


def _sizes(network: list[int]) -> str:
    """Return the sizes of layers, with those that come again counted."""
    *same, last = network
    return f"{len(same)} x {same[0]}-{last}" if len(same) > 3 else "-".join(map(str, network))


def figures() -> str:
    """Return all that stands between the two marks in the README."""
    about = results("training")["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items() if name != "pysmorch")
    lines = [
        "Microseconds for one step of training, in whole epochs with shuffling (sizes of the layers, rows of a batch):",
        "",
        *table("training", "µs a step"),
        "",
        *images(),
        "Microseconds for a prediction, called from Python:",
        "",
        *table("prediction", "µs a call"),
        "",
        f"Measured side by side on {machine_of('training')}, {about['system']}, Python {about['python']}; {versions}. Medians; other machines will differ.",
    ]
    mnist = results("mnist")
    accuracy = {name: statistics.mean(values) for name, values in mnist["accuracy"].items()}
    memory = mnist["memory_mib"]
    install = results("install")
    lines += [
        "",
        f"On 10,000 images of MNIST, 784-256-128-10 has a test accuracy of {accuracy['float32']:.4f} in float32 and "
        f"{accuracy['bf16']:.4f} with bfloat16 (means of five seeds); the training script peaks at {memory['pysmorch']:.0f} MiB, "
        f"the same in PyTorch at {memory['torch']:.0f} MiB. PySmorch takes {install['pysmorch_mb']:.1f} MB on the disk, "
        f"{install['smallest_mb']:.0f} MB with NumPy and threadpoolctl alone, {install['with_libraries_mb']:.0f} MB with all libraries; "
        f"`import pysmorch` takes {install['import_seconds']['pysmorch']:.2f} s, `import numpy` {install['import_seconds']['numpy']:.2f} s.",
    ]
    return "\n".join(lines)


def matrix_unit() -> str:
    """Return the tables of the machine with a matrix unit, with the share of each roof that a step reaches."""
    lines = []
    for name, unit in (("amx/training", "µs a step"), ("amx/images", "µs a step"), ("amx/prediction", "µs a call")):
        lines += [*table(name, unit), ""]
    lines += [f"Measured side by side on {machine_of('amx/training')}.", ""]
    lines += [
        "| training | FLOP per byte | float32: GFLOP/s, of the roof | bf16: GFLOP/s, of the roof |",
        "|---|---|---|---|",
    ]
    for row in results("amx/training")["rows"]:
        work = roofline.Step(tuple(row["network"]), row["batch"])
        cells = []
        for library, peak in (("PySmorch", "float32"), ("PySmorch bf16", "bfloat16")):
            rate = work.operations / row["seconds"][library]
            roof = min(row["peaks"][peak], work.intensity * roofline.BYTES_PER_SECOND * row["threads"])
            cells.append(f"{rate / 1e9:,.0f}, {rate / roof:.0%}")
        lines.append(f"| {row['workload']}, {row['batch']} | {work.intensity:.0f} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def quantized() -> str:
    """Return what weights of 8 bits cost and save."""
    stored = results("quantized")
    lines = [
        f"A fifth of the rows held out, means of {stored['seeds']} seeds: accuracy, of wine and california R².",
        "",
        "| | float32 | 8 bits | lost, in points | network's file | model's file |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in stored["models"].items():
        exact, small = statistics.mean(found["float32"]), statistics.mean(found["8 bits"])
        sizes = [
            " → ".join(f"{size / 1000:,.0f}" for size in found[kind]) + " kB"
            for kind in ("network_bytes", "model_bytes")
        ]
        lines.append(f"| {name} | {exact:.4f} | {small:.4f} | {100 * (exact - small):z.2f} | {sizes[0]} | {sizes[1]} |")
    precisions = list(next(iter(stored["seconds"].values())))
    lines += ["", f"| µs a prediction | {' | '.join(precisions)} |", "|---" * (len(precisions) + 1) + "|"]
    for name, seconds in stored["seconds"].items():
        lines.append(f"| {name} | {' | '.join(microseconds(seconds[precision]) for precision in precisions)} |")
    lines += ["", f"Measured on {machine_of('quantized')}."]
    return "\n".join(lines)


def write(path: Path, text: str) -> None:
    """Put a text between the two marks in a file."""
    before, rest = path.read_text().split(BEGIN)
    after = rest.split(END)[1]
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def main() -> None:
    write(HERE.parent / "README.md", figures())
    write(HERE / "README.md", scaling())
    write(HERE.parent / "docs" / "speed.md", matrix_unit())
    write(HERE.parent / "docs" / "prediction.md", quantized())


if __name__ == "__main__":
    main()
