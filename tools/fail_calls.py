"""Let one allocation or one call to the system fail: `tools/fail_calls.py --count 4000 --seed 0`.

Each allocation of 1 KiB or more, one in each case, while a network is trained, predicts, is saved or loaded, or an estimator is fitted.
That is a MemoryError, perhaps as the cause of another error, or nothing at all; then the same again has the same result. Where NumPy
forgets the exception (a SystemError) or raises it without the interpreter's lock (a crash), or safetensors ends the process, that is
counted as a failure elsewhere, and the older file is as it was. And each call of the system that reads or writes, while a network is saved or a training writes its checkpoints, with a full disk
or a broken one. Then the older file is as it was and the message says so, or the new one is whole; a training goes on. The seed decides
the order; with a count of all and more, every one has failed. Linux with glibc and a C compiler.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from campaign import parser_of, run

import pysmorch as ps
from pysmorch.files import model
from pysmorch.layers.randomness import weights_from

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((100, 20)), np.arange(100) % 3
ERRORS = (errno.EIO, errno.ENOSPC, errno.EACCES, errno.EMFILE)
NEVER = -1
IN_CHILD = ("MemoryError", "went on", "elsewhere")
FIRST, OLDER = "first.safetensors", "older.safetensors"


def library() -> Any:
    """Return the functions of failures.c; the process is begun again with it where it is not loaded yet."""
    if "PYSMORCH_FAILURES" not in os.environ:
        path = f"{tempfile.mkdtemp()}/failures.so"
        source = Path(__file__).with_name("failures.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", path, source], check=True)
        environment = os.environ | {"PYSMORCH_FAILURES": path, "LD_PRELOAD": path}
        sys.exit(subprocess.run([sys.executable, *sys.argv], env=environment, check=False).returncode)
    found = ctypes.CDLL(os.environ["PYSMORCH_FAILURES"])
    found.exit_when_numpy_crashes(IN_CHILD.index("elsewhere"))
    found.fail_allocation.restype = found.fail_call.restype = ctypes.c_long
    found.fail_allocation.argtypes, found.fail_call.argtypes = [ctypes.c_long], [ctypes.c_long, ctypes.c_int]
    return found


def network() -> ps.Network:
    """Return a network with dropout and running statistics."""
    with weights_from(0):
        return ps.Network(ps.CrossEntropy(ps.mlp(ps.Dropout(ps.Normalize(ps.Data(shape=(None, 20))), 0.2), [30], 3)))


def trained(engine: str) -> bytes:
    """Train a network and return its parameters."""
    made = network()
    made.fit(X, Y, epochs=1, seed=0, engine=engine)
    return b"".join(W.tobytes() for W in made.parameters.values())


def answered() -> bytes:
    """Fit an estimator and return what it predicts."""
    return ps.Classifier(hidden=(30,), epochs=1, random_state=0).fit(X, Y).predict_proba(X).tobytes()


def work(saved: bytes, ready: ps.Network) -> dict[str, Callable[[], bytes]]:
    """Return what is done while an allocation fails."""

    def save() -> bytes:
        ready.save("model.safetensors")
        return Path("model.safetensors").read_bytes()

    return {
        "fit": lambda: trained("native"),
        "fit on the reference path": lambda: trained("reference"),
        "predict": lambda: ready.predict(X).tobytes(),
        "predict one row": lambda: ready.predict(X[:1]).tobytes(),
        "save": save,
        "load": lambda: ps.load(saved).predict(X).tobytes(),
        "estimator": answered,
    }


def with_checkpoints(folder: str) -> None:
    """Train a network that writes checkpoints."""
    network().fit(X, Y, epochs=4, seed=0, checkpoint=f"{folder}/run", every="1 epochs")


def digest(path: str) -> str:
    """Return the digest of a file."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def is_of_memory(error: BaseException | None) -> bool:
    """Whether an error is a MemoryError, or comes from one."""
    return error is not None and (isinstance(error, MemoryError) or is_of_memory(error.__cause__ or error.__context__))


def in_child(do: Callable[[], str]) -> str:
    """Return what a function returns in a child, or that the child was ended by a library in it."""
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            os._exit(IN_CHILD.index(do()))
        except Exception as error:
            print(f"in a child: {type(error).__name__}: {error}", flush=True)
            os._exit(len(IN_CHILD))
        except BaseException:  # safetensors panics
            os._exit(IN_CHILD.index("elsewhere"))
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code == len(IN_CHILD) or (code < 0 and code != -signal.SIGABRT):
        raise AssertionError(f"a child ended with {code}")
    return "elsewhere" if code < 0 else IN_CHILD[code]


def check_no_temporary_files() -> None:
    """Refuse files that a save left, also one of a process that was ended."""
    left = [name for name in os.listdir() if name.endswith(".tmp")]
    assert not left, f"temporary files are left: {left}"


class Cases:
    """All cases in the order of a seed."""

    def __init__(self, failures: Any, seed: int) -> None:
        self.library = failures
        self.ready = network()
        self.ready.fit(X, Y, epochs=1, seed=0)
        content = model._content(*model.parts_of(self.ready), {})
        self.new = hashlib.sha256(content).hexdigest()
        self.work = work(content, self.ready)
        self.expected, self.most = {}, {}
        for name, do in self.work.items():
            do()
            self.expected[name] = do()
            self.library.fail_allocation(2**40)
            do()
            self.most[name] = max(1, 2**40 - self.library.fail_allocation(NEVER))
        network().save(FIRST)
        network().save(OLDER)
        calls = self.calls_of(lambda: self.ready.save(OLDER))
        with tempfile.TemporaryDirectory() as folder:
            calls_of_checkpoints = self.calls_of(lambda: with_checkpoints(folder))
        self.all: list[tuple[Callable[..., str], Any, int]] = [
            (self.allocation, name, number) for name, most in self.most.items() for number in range(most)
        ]
        self.all += [(self.call, error, number) for error in ERRORS for number in range(calls)]
        self.all += [(self.checkpoint, error, number) for error in ERRORS for number in range(calls_of_checkpoints)]
        self.found = (
            f"{sum(self.most.values())} allocations, {calls} calls of a save and {calls_of_checkpoints} of a training"
        )
        random.Random(seed).shuffle(self.all)

    def calls_of(self, do: Callable[[], object]) -> int:
        """Return how many calls of the system a piece of work makes."""
        self.library.fail_call(2**40, 0)
        do()
        return 2**40 - int(self.library.fail_call(NEVER, 0))

    def case(self, _: random.Random, i: int) -> str:
        """Let one allocation or call fail."""
        do, what, number = self.all[i % len(self.all)]
        return do(what, number)

    def allocation(self, name: str, number: int) -> str:
        """Let an allocation fail."""
        outcome = in_child(lambda: self.without(name, number))
        ps.load("model.safetensors")
        if name == "save":
            self.work[name]()
            check_no_temporary_files()
        return outcome

    def without(self, name: str, number: int) -> str:
        """Do a piece of work in which an allocation fails, and then the same again."""
        outcome, found = "went on", self.expected[name]
        self.library.fail_allocation(number)
        try:
            found = self.work[name]()
        except SystemError:
            outcome = "elsewhere"
        except Exception as error:
            if not is_of_memory(error):
                raise
            outcome = "MemoryError"
        finally:
            self.library.fail_allocation(NEVER)
        if found != self.expected[name] or self.work[name]() != self.expected[name]:
            raise AssertionError(f"{name}: another result")
        return outcome

    def call(self, error: int, number: int) -> str:
        """Let a call to the system fail while a file is saved."""
        Path(OLDER).write_bytes(Path(FIRST).read_bytes())
        before = digest(OLDER)
        self.library.fail_call(number, error)
        message = None
        try:
            self.ready.save(OLDER)
        except OSError as refusal:
            message = str(refusal)
        finally:
            self.library.fail_call(NEVER, 0)
        found = digest(OLDER)
        if message is None or "was written, but" in message:
            assert found == self.new, f"said: {message}, but the file is another one"
        else:
            assert found == before, f"said: {message}, but the older file was changed"
            assert "nothing was changed" in message or "cannot be written" in message, message
        self.ready.save(OLDER)
        check_no_temporary_files()
        return "saved" if message is None else "refused"

    def checkpoint(self, error: int, number: int) -> str:
        """Let a call to the system fail while a training writes checkpoints."""
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            self.library.fail_call(number, error)
            try:
                with_checkpoints(folder)
            except OSError:  # the first checkpoint is written before the training begins
                return "refused"
            finally:
                self.library.fail_call(NEVER, 0)
            resumed = network()
            resumed.fit(X, Y, resume=f"{folder}/run", epochs=4)
            whole = network()
            whole.fit(X, Y, epochs=4, seed=0)
            same = all(np.array_equal(W, whole.parameters[name]) for name, W in resumed.parameters.items())
            assert same, f"another end, said: {[str(one.message) for one in said]}"
        return "warned" if said else "saved"


def main() -> int:
    """Run, and print what became of the cases; the exit code is 1 where anything was wrong."""
    options = parser_of(__doc__, 2_000).parse_args()
    failures = library()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        cases = Cases(failures, options.seed)
        outcomes = (*IN_CHILD, "saved", "warned", "refused")
        code = run(f"failures among {cases.found}", outcomes, cases.case, options)
        os.chdir("/")
    return code


if __name__ == "__main__":
    sys.exit(main())
