"""Workers: each program that is measured lives in a process of its own and answers over a pipe.

A worker is set up (and compiles) once, then waits, blocked, for calls. Thread pools of different
libraries so never meet, and importing one does not weigh on another. What a worker's process
computes between two calls is measured too: a pool that spins while it should sleep is told.

``python -m benchmarks._processes MODULE:CLASS JSON`` is the worker's side.
"""

import importlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from benchmarks._common import INSTALL, ROOT

PAUSE = 0.1  # seconds after each call, in which thread pools fall asleep


class Missing(Exception):  # noqa: N818 — it is not an error
    """A worker that cannot do its work here, and why."""


class Worker:
    """The parent's side of one worker.

    Parameters
    ----------
    name : str
        What it is called in tables.
    target : str
        ``"module:Class"``, made in the worker.
    arguments : dict
        Of the class; JSON.
    threads : int, optional
        Set for OpenMP, BLAS and XLA in the worker's environment before it starts.
    """

    def __init__(
        self, name: str, target: str, arguments: dict[str, Any], threads: int | None = None
    ) -> None:
        self.name, self.idle_cpu, self.idle = name, 0.0, 0.0
        environment = dict(os.environ)
        if threads is not None:
            for library in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM"):
                environment[f"{library}_NUM_THREADS"] = str(threads)
            environment["NPROC"] = str(threads)  # read by XLA
        command = [sys.executable, "-m", "benchmarks._processes", target, json.dumps(arguments)]
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid

    def ready(self) -> Self:
        """Wait until it is set up.

        Raises
        ------
        Missing
            Where it cannot be.
        """
        self._answer()
        return self

    def call(self, method: str, *arguments: Any) -> Any:
        """Return what the method gives for these arguments, then let the worker fall asleep."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([method, arguments]) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        self.idle_cpu += answer["idle_cpu"]
        self.idle += answer["idle"]
        time.sleep(PAUSE)
        return answer["value"]

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise Missing(f"{self.name}: ended with status {self._process.wait()}")
        answer = json.loads(line)
        if "missing" in answer:
            raise Missing(f"{self.name}: {answer['missing']}")
        return answer

    def close(self) -> None:
        """End it."""
        self._process.communicate()


class Workers(list[Worker]):
    """Several workers that are set up together; those that cannot be are left out and told.

    Parameters
    ----------
    workers : sequence of Worker
    quiet : bool
        Whether to leave unsaid who is missing.
    """

    def __init__(self, workers: Sequence[Worker], *, quiet: bool = False) -> None:
        super().__init__()
        self._all = list(workers)
        for worker in self._all:
            try:
                self.append(worker.ready())
            except Missing as missing:
                if not quiet:
                    print(f"not measured — {missing}", flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._all:
            worker.close()

    def tell_idle(self) -> None:
        """Name the workers that computed a twentieth or more of the time they had no call."""
        for worker in self:
            if worker.idle and worker.idle_cpu >= 0.05 * worker.idle:
                share = worker.idle_cpu / worker.idle
                print(f"{worker.name} spun while it waited: {share:.0%} of a core", flush=True)


def rounds_of(workers: Sequence[Worker], rounds: int, method: str) -> dict[str, list[Any]]:
    """Call `method` of each worker in turn, `rounds` times; the order turns by one each round."""
    results: dict[str, list[Any]] = {worker.name: [] for worker in workers}
    for turn in range(rounds):
        first = turn % max(len(workers), 1)
        for worker in [*workers[first:], *workers[:first]]:
            results[worker.name].append(worker.call(method))
    return results


def rss_anon(pid: int) -> int:
    """Return the anonymous memory of a process in bytes, as Linux tells it; 0 elsewhere."""
    status = Path(f"/proc/{pid}/status")
    found = re.search(r"RssAnon:\s*(\d+) kB", status.read_text()) if status.exists() else None
    return 1024 * int(found[1]) if found else 0


# --- the worker's side -----------------------------------------------------------------------


def _make(target: str, arguments: str) -> tuple[Any, dict[str, Any]]:
    """Return the worker's object, and what to tell the parent."""
    module, name = target.split(":")
    try:
        made = getattr(importlib.import_module(module), name)(**json.loads(arguments))
    except ImportError as error:
        return None, {"missing": f"{error.name} is not installed: {INSTALL}"}
    except Exception as error:  # whatever a peer's set-up raises, the others go on
        first = next(iter(str(error).splitlines()), "")
        return None, {"missing": f"not available ({type(error).__name__}: {first})"}
    return made, {"ready": True}


def serve(target: str, arguments: str) -> None:
    """Make the object, then answer calls from standard input until it ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print does not go into the pipe
    made, answer = _make(target, arguments)
    print(json.dumps(answer), file=answers, flush=True)
    while made is not None:
        cpu, since = time.process_time(), time.perf_counter()
        line = sys.stdin.readline()
        if not line:
            break
        idle = {
            "idle_cpu": time.process_time() - cpu,
            "idle": time.perf_counter() - since,
        }
        method, values = json.loads(line)
        print(json.dumps({"value": getattr(made, method)(*values), **idle}), file=answers)
        answers.flush()


if __name__ == "__main__":
    serve(*sys.argv[1:])
