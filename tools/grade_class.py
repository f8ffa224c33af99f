"""Grade a class of submissions that are right, wrong, broken and hostile: `tools/grade_class.py --count 300 --seed 0`.

The class is graded once without a stop, and once more by processes that are killed again and again, until one comes to its end: both
have a row for each submission, and the same table. Said are seconds and seconds of processor time; `tools/grade_class.py --kills 0`
is the first half alone.
"""

from __future__ import annotations

import csv
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from campaign import parser_of

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.teach.classroom.students import write_class

NAMES = "Linear,Relu,Bias,CrossEntropy"


def command(folder: Path, table: Path, *more: str) -> list[str]:
    """Return a command line that grades a class."""
    program = [sys.executable, "-m", "pysmorch", "grade", str(folder), "--only", NAMES]
    return [*program, "--csv", str(table), "--json", *more]


def rows_of(table: Path) -> dict[str, tuple[str, ...]]:
    """Return the rows of a table by the name in them, without the path."""
    with open(table, newline="") as file:
        return {row["name"]: tuple(row[key] for key in row if key != "file") for row in csv.DictReader(file)}


def run_killed(line: list[str], kills: int, numbers: random.Random) -> int:
    """Run a command line, and kill it a few times while it works; return how often it was killed."""
    killed = 0
    while True:
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(numbers.uniform(2, 8) if killed < kills else None)
            return killed
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += 1


def main() -> None:
    """Grade the class twice and compare."""
    parser = parser_of(__doc__, 300)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--jobs", default="2")
    parser.add_argument("--timeout", default="10")
    options = parser.parse_args()
    more = ["--jobs", options.jobs, "--timeout", options.timeout]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        what = write_class(folder / "whole", options.count, options.seed)
        write_class(folder / "killed", options.count, options.seed)
        began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        line = command(folder / "whole", folder / "whole.csv", *more, "--html", str(folder / "pages"))
        done = subprocess.run(line, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        whole = rows_of(folder / "whole.csv")
        print(f"{len(whole)} rows of {options.count}, exit code {done.returncode}: {time.monotonic() - began:.1f} s, ")
        print(f"of the processors {processor:.1f} s; {dict(Counter(what.values()).most_common())}")
        failed = set(whole) != set(what)
        if options.kills:
            line = command(folder / "killed", folder / "killed.csv", *more)
            killed = run_killed(line, options.kills, random.Random(options.seed))
            again = rows_of(folder / "killed.csv")
            print(f"killed {killed} times: {'the same table' if again == whole else 'ANOTHER TABLE'}")
            for name in sorted(set(whole) | set(again)):
                if whole.get(name) != again.get(name):
                    print(f"  {name} ({what.get(name)}): {whole.get(name)} and {again.get(name)}")
            failed = failed or again != whole
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
