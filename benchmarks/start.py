"""Time until something can be done: imports, whole commands; and the size of the package.

``python -m benchmarks.start [--rounds 7] [--wheel FILE] [--short]``

Each line is a fresh interpreter, timed from outside, in turns; a bare interpreter is timed with
them. The first, untimed round reads every file once, so that the disk is not measured, and writes
the bytecode, as pip does. The commands take a model of iris and its 150 rows, and are set against
the imports that they all need. The wheel is built with ``pip wheel`` unless one is given; its
installed size is that of its files unpacked.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

from benchmarks._about import machine, write_json
from benchmarks._common import INSTALL, ROOT, parser, ratios, spread, table

BARE, IMPORT = "python", "import backpass"
ESTIMATOR, SKLEARN = "import backpass; backpass.MLPClassifier", "import sklearn.neural_network"
NEEDED = "import numpy, polars, typer, rich.console"
MODEL, TABLE = "iris.backpass", "iris.csv"
COMMANDS = {
    f"backpass {name}": ["-m", "backpass", name, MODEL, TABLE]
    for name in ("predict", "evaluate", "trace", "check")
}
STARTS = {
    BARE: ["-c", "pass"],
    IMPORT: ["-c", "import backpass"],
    ESTIMATOR: ["-c", ESTIMATOR],
    "backpass --help": ["-m", "backpass", "--help"],
    "import numpy": ["-c", "import numpy"],
    SKLEARN: ["-c", SKLEARN],
    "import torch": ["-c", "import torch"],
    "import jax": ["-c", "import jax"],
    NEEDED: ["-c", NEEDED],
    **COMMANDS,
}
QUICK = (BARE, IMPORT, "backpass --help", NEEDED, "backpass predict")
TO_BE_READ = f"""
from backpass import Recipe, TabularModel, read_table
table = read_table("example:iris")
table.write_csv({TABLE!r})
TabularModel.fit(table, "species", recipe=Recipe(epochs=1)).save({MODEL!r})
"""


def installed(name: str) -> bool:
    """Whether what a line imports is there."""
    module = name.split()[-1].split(".")[0] if name.startswith("import") else "backpass"
    return importlib.util.find_spec(module) is not None


def seconds_of(arguments: list[str], folder: str) -> float:
    """Return the wall time of a fresh interpreter with these arguments, in `folder`.

    Raises
    ------
    CalledProcessError
        Where it fails: a failure is not a start.
    """
    command = [sys.executable, *arguments]
    # without bytecode, which pip leaves beside what it installs, every module is compiled again
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, cwd=folder, env=environment)
    return time.perf_counter() - started


def measure(names: list[str], rounds: int) -> dict[str, list[float]]:
    """Return seconds in every round by line, after a round that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        seconds_of(["-c", TO_BE_READ], folder)
        for turn in range(rounds + 1):
            for name in names:
                taken = seconds_of(STARTS[name], folder)
                if turn:
                    seconds[name].append(taken)
    return seconds


def sizes_of(wheel: Path) -> tuple[int, int]:
    """Return the bytes of a wheel, and of its files unpacked."""
    with zipfile.ZipFile(wheel) as archive:
        return wheel.stat().st_size, sum(file.file_size for file in archive.infolist())


def built_wheel(folder: str) -> Path | None:
    """Build the wheel of this checkout; None, and a line why, where that fails."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"no wheel: {(done.stderr.strip() or 'pip failed').splitlines()[-1]}")
        return None
    return next(Path(folder).glob("*.whl"))


def sizes_or_built(wheel: Path | None) -> dict[str, Any]:
    """Return the sizes of `wheel`, or of one built for the purpose."""
    with tempfile.TemporaryDirectory() as folder:
        wheel = wheel or built_wheel(folder)
        if wheel is None:
            return {}
        packed, unpacked = sizes_of(wheel)
    return {"name": wheel.name, "wheel": packed, "installed": unpacked}


def report(results: dict[str, Any]) -> str:
    """Return the table of starts and the sizes of the wheel."""
    seconds, sizes = results["seconds"], results["bytes"]
    commands = [name for name in seconds if name in (NEEDED, *COMMANDS)]
    tables = []
    for names, base in ([n for n in seconds if n not in commands], IMPORT), (commands, NEEDED):
        rows = [
            [name, f"{spread(1e3 * s for s in seconds[name]):.0f}",
             f"{ratios(seconds[name], seconds[base]):.2f}"]
            for name in names
        ]  # fmt: skip
        tables += [table(["start", "ms", f"/ {base}"], rows)] * bool(rows)
    text = "\n\n".join(tables)
    if sizes:
        packed, unpacked = (f"{sizes[key] / 1e6:.2f} MB" for key in ("wheel", "installed"))
        text += f"\n\n{sizes['name']}: {packed}, installed {unpacked}"
    return text


def arguments() -> argparse.Namespace:
    options = parser(__doc__, rounds=7)
    options.add_argument("--wheel", type=Path, metavar="FILE", help="measure this one's size")
    return options.parse_args()


def main() -> None:
    told = arguments()
    print(machine())
    names = [name for name in (QUICK if told.short else STARTS) if installed(name)]
    for name in STARTS:
        if not installed(name):
            print(f"not measured — {name}: not installed: {INSTALL}")
    seconds = measure(names, 1 if told.short else told.rounds)
    sizes = sizes_or_built(told.wheel) if told.wheel or not told.short else {}
    results = {"seconds": seconds, "bytes": sizes}
    print(report(results))
    write_json(told.json, "start", results)


if __name__ == "__main__":
    main()
