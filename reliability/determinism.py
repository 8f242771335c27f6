"""Fit the same again and again, with other threads and in other processes, and compare the bytes.

``python -m reliability.determinism`` fits every optimiser with both types of number and every
setting of ``reliability/_variants.py`` with 1 to 8 threads, ten times each; then all of them in
fresh processes whose environments differ, and ``backpass fit`` in others. What is compared is a
hash of the coefficients, the curves and the predictions, and the bytes of the model file without
the seconds that training took, which it tells, too.

With ``--json FILE`` the counts go to a file, from which ``python -m reliability.report`` writes the
page.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reliability._fits import write_table
from reliability._variants import combinations, digest
from reliability.report import here, write_result

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
    """What was seen.

    Parameters
    ----------
    combinations, fits, unequal
        Of optimiser, type and setting; fits of them; combinations with more than one result.
    readable, readable_unequal
        Fits with the readable engine and one thread; combinations with more than one result.
    processes, processes_unequal
        Fresh ones; those where a combination has another result.
    files, files_unequal
        Model files that ``backpass fit`` wrote; those with other bytes.
    """

    combinations: int = 0
    fits: int = 0
    unequal: int = 0
    readable: int = 0
    readable_unequal: int = 0
    processes: int = 0
    processes_unequal: int = 0
    files: int = 0
    files_unequal: int = 0
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


def run(command: Sequence[str], more: dict[str, str], folder: Path | None = None) -> str:
    """Run Python in an environment of its own; return what it writes."""
    root = Path(__file__).parent.parent
    path = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "PYTHONPATH": path, **more},
        cwd=folder or root,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{command} failed: {done.stderr}")
    return done.stdout


def in_fresh_processes(environments: Sequence[dict[str, str]], counts: Counts) -> None:
    """Fit every combination in new processes; the first fits with as many threads as it likes."""
    for place, environment in enumerate(environments):
        found = json.loads(run(["-m", "reliability._variants", str(place or None)], environment))
        counts.processes += 1
        counts.processes_unequal += found != counts.wanted


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
                run(["-c", FIT, str(processors), *command], environment, place)
                model = TabularModel.load(place / "m")
                model.seconds = 0.0
                model.save(place / "without seconds")
                found.append((place / "without seconds").read_bytes())
    counts.files += len(found)
    counts.files_unequal += sum(other != found[0] for other in found)


def figures(counts: Counts, threads: int, repeats: int) -> dict[str, Any]:
    """Return the counts as the page names them."""
    c = counts
    return {
        "combinations of optimiser, type of number and setting": c.combinations,
        f"fits of them, with 1 to {threads} threads, {repeats} times each": c.fits,
        "combinations whose bytes differ": c.unequal,
        "fits with the readable engine and one thread": c.readable,
        "combinations whose bytes differ there": c.readable_unequal,
        "fresh processes with other hash seeds, threads of BLAS, locales": c.processes,
        "processes whose bytes differ": c.processes_unequal,
        "model files of `backpass fit` from as many, on one processor and on all": c.files,
        "files whose bytes differ, but for the seconds they tell": c.files_unequal,
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=10, metavar="N", help="of every fit")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the counts go")
    asked = parser.parse_args()
    machine, counts = here(), Counts()
    in_one_process(combinations(), THREADS, asked.repeats, counts)
    in_fresh_processes(ENVIRONMENTS, counts)
    of_the_command(ENVIRONMENTS, counts)
    found = figures(counts, len(THREADS), asked.repeats)
    sys.stdout.write("".join(f"{count:6} {name}\n" for name, count in found.items()))
    if asked.json is not None:
        command = f"python -m reliability.determinism --repeats {asked.repeats}"
        write_result(asked.json, "The same bytes again", command, machine, found)
    c = counts
    broken = c.unequal + c.readable_unequal + c.processes_unequal + c.files_unequal
    raise SystemExit(1 if broken else 0)


if __name__ == "__main__":
    main()
