"""Fit the same again and again, with other threads and in other processes, and compare the bytes.

``python -m reliability.determinism`` fits every optimiser with both types of number and every
setting of ``reliability/_variants.py`` with 1 to 8 threads, ten times each; then all of them in
fresh processes whose environments differ, and ``backpass fit`` in others. What is compared is a
hash of the coefficients, the curves and the predictions, and the bytes of the model file without
the seconds that training took, which it tells, too.

With ``--json FILE`` the counts go to a file for ``python -m reliability.report``.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reliability._fits import write_table
from reliability._supervised import ended, start
from reliability._variants import combinations, digest
from reliability.report import arguments, count, figures, program

THREADS = range(1, 9)
BLAS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
ENVIRONMENTS: tuple[dict[str, str], ...] = (
    {"PYTHONHASHSEED": "0"},
    {"PYTHONHASHSEED": "1", **dict.fromkeys(BLAS, "1")},
    {"PYTHONHASHSEED": "4242", **dict.fromkeys(BLAS, "2")},
    {"PYTHONHASHSEED": "random", **dict.fromkeys(BLAS, "8"), "OMP_DYNAMIC": "TRUE"},
    {"PYTHONHASHSEED": "7", "LC_ALL": "C", "TZ": "Asia/Kathmandu", "PYTHONMALLOC": "malloc"},
)
"""Of fresh processes; the number of threads that each fits with is its place."""
FIT = """\
import os, sys
from backpass.cli import main
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(sys.argv.pop(1))])
sys.exit(main())
"""


@dataclass
class Counts:
    """What was seen; `wanted` is the hash that each combination should have."""

    combinations: int = count("combinations of optimiser, type of number and setting")
    fits: int = count("fits of them, with 1 to 8 threads, again and again")
    unequal: int = count("combinations whose bytes differ")
    readable: int = count("fits with the readable engine and one thread")
    readable_unequal: int = count("combinations whose bytes differ there")
    processes: int = count("fresh processes with other hash seeds, threads of BLAS, locales")
    processes_unequal: int = count("processes whose bytes differ")
    files: int = count("model files of `backpass fit` from as many, on one processor and on all")
    files_unequal: int = count("files whose bytes differ, but for the seconds they tell")
    wanted: list[str] = field(default_factory=list, repr=False)


def in_one_process(
    chosen: Sequence[tuple[str, str, str]], threads: Sequence[int], repeats: int, counts: Counts
) -> None:
    """Fit every combination with every number of threads, again and again."""
    for names in chosen:
        found = {digest(*names, n) for _ in range(repeats) for n in threads}
        counts.combinations += 1
        counts.fits += repeats * len(threads)
        counts.unequal += len(found) > 1
        counts.wanted.append(min(found))
        # its sums are BLAS's, whose last bits may depend on the number of threads
        readable = {digest(*names, 1, engine="reference") for _ in range(repeats)}
        counts.readable += repeats
        counts.readable_unequal += len(readable) > 1
        if len(found) > 1 or len(readable) > 1:
            sys.stdout.write(f"unequal: {' '.join(names)}\n")


def in_fresh_processes(environments: Sequence[dict[str, str]], counts: Counts) -> None:
    """Fit every combination in new processes; the first fits with as many threads as it likes."""
    for place, environment in enumerate(environments):
        told = ended(start("-m", "reliability._variants", str(place or None), **environment))
        counts.processes += 1
        counts.processes_unequal += json.loads(told or "") != counts.wanted


def of_the_command(environments: Sequence[dict[str, str]], counts: Counts) -> None:
    """Have ``backpass fit`` write model files, on one processor and on all, and compare them."""
    from backpass.tabular.model import TabularModel

    found = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_table(place / "table.csv")
        for environment in environments:
            for processors in (1, 64):
                command = ["fit", "table.csv", "--target", "y", "--epochs", "20", "--model", "m"]
                ended(start("-c", FIT, str(processors), *command, folder=place, **environment))
                model = TabularModel.load(place / "m")
                model.seconds = 0.0
                model.save(place / "without seconds")
                found.append((place / "without seconds").read_bytes())
    counts.files += len(found)
    counts.files_unequal += sum(other != found[0] for other in found)


def counted(asked: Any) -> tuple[dict[str, Any], int]:
    """Fit in all these ways; return what that came to, and how much differs."""
    c = Counts()
    in_one_process(combinations(), THREADS, asked.repeats, c)
    in_fresh_processes(ENVIRONMENTS, c)
    of_the_command(ENVIRONMENTS, c)
    return figures(c), c.unequal + c.readable_unequal + c.processes_unequal + c.files_unequal


if __name__ == "__main__":
    asked = arguments(__doc__, repeats=(10, "of every fit")).parse_args()
    command = "python -m reliability.determinism --repeats {repeats}"
    program(asked, "The same bytes again", command, counted)
