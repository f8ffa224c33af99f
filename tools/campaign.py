"""What the campaigns share: their arguments, and a loop over cases in a process that is watched."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import resource
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from multiprocessing.sharedctypes import RawArray
from typing import Any

from pysmorch.layers import Layer
from pysmorch.layers.base import Array

SECONDS = 5.0
"""Of the processor's time for one case; what takes longer hangs."""

WAITING = 60.0
"""Seconds without progress in which the process may also wait for others."""

STEP = 0.5
"""Seconds between two looks at the process."""

BYTES = 2**30
"""The most memory that the process of a campaign may have taken."""

FAULTS = ("wrong", "hangs", "crashes")
"""Outcomes that no case may have."""


class OwnLayer(Layer):
    """A layer of a user's with a forward pass of its own, whose networks run on the reference path."""

    def forward(self) -> Array:
        """The input."""
        self.in_arrays = (self.in_layer.forward(),)
        return self.in_array

    def pull_back(self, dwnstrm: Array) -> Array:
        """The gradient."""
        return dwnstrm


def parser_of(doc: str | None, count: int) -> argparse.ArgumentParser:
    """Return the parser of a tool with the arguments of all campaigns."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--count", type=int, default=count, help=f"how many cases (default {count})")
    parser.add_argument("--seed", type=int, default=0, help="from which the cases follow (default 0)")
    parser.add_argument(
        "--first", type=int, default=0, help="the number of the first case, to see one again (default 0)"
    )
    return parser


def run(
    what: str, outcomes: Sequence[str], case: Callable[[random.Random, int], str], options: argparse.Namespace
) -> int:
    """Run cases in a process of its own, print what became of them, and return 1 where any was a fault, else 0.

    `case` gets its own random numbers and its number, and returns one of the outcomes; what it raises is wrong. A case that ends the process or takes too long is counted, and the
    next one runs in a new process. Case i of a seed is always the same.
    """
    context = multiprocessing.get_context("fork")
    names = [*outcomes, *FAULTS]
    counts, at = RawArray("q", len(names)), RawArray("q", [options.first])
    end, start = options.first + options.count, time.monotonic()
    while at[0] < end:
        process = context.Process(target=_work, args=(case, names, counts, at, end, options.seed))
        process.start()
        hangs = _watch(process, at)
        if at[0] < end:
            fault = "hangs" if hangs else "crashes"
            counts[names.index(fault)] += 1
            print(f"case {at[0]}: {fault} (exit code {process.exitcode})", flush=True)
            at[0] += 1
    found = ", ".join(f"{count} {name}" for name, count in zip(names, counts, strict=True))
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(
        f"{options.count} {what} from {options.first} on, seed {options.seed}: {found}; "
        f"at most {memory / 2**20:.0f} MiB, {time.monotonic() - start:.0f} s",
        flush=True,
    )
    return int(any(counts[names.index(fault)] for fault in FAULTS) or memory > BYTES)


def _work(
    case: Callable[[random.Random, int], str], names: list[str], counts: Any, at: Any, end: int, seed: int
) -> None:
    """Run the cases from the current one on, in a child."""
    warnings.simplefilter("ignore")
    too_much = False
    for i in range(at[0], end):
        at[0] = i
        try:
            outcome = case(random.Random(f"{seed} {i}"), i)
        except Exception as error:
            outcome = "wrong"
            place = traceback.extract_tb(error.__traceback__)[-1]
            print(
                f"case {i}: {type(error).__name__}: {str(error)[:200]!r} in {os.path.basename(place.filename)}:{place.lineno}",
                flush=True,
            )
        counts[names.index(outcome)] += 1
        if not too_much and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 > BYTES:
            too_much = True
            print(f"case {i}: the process has taken more than {BYTES >> 20} MiB", flush=True)
        if (i + 1) % 20_000 == 0:
            print(f"  after case {i}: {dict(zip(names, counts, strict=True))}", flush=True)
    at[0] = end
    sys.stdout.flush()
    os._exit(0)  # what is registered for the end of the process is the parent's


def _watch(process: Any, at: Any) -> bool:
    """Wait until a process ends; kill it, and return True, where it comes no further."""
    case, used, waited = at[0], processor_time(process.pid), 0.0
    while process.is_alive():
        process.join(STEP)
        waited += STEP  # not by the clock, so that a computer that slept does not count
        if at[0] != case:
            case, used, waited = at[0], processor_time(process.pid), 0.0
        elif processor_time(process.pid) - used > SECONDS or waited > WAITING:
            process.kill()
            process.join()
            return True
    return False


def processor_time(pid: int) -> float:
    """Return the seconds that a process and its threads have computed."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
