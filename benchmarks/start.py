"""Time until something can be done: imports, ``backpass --help``; and the size of the package.

``python -m benchmarks.start [--rounds 7] [--wheel FILE] [--short]``

Each line is a fresh interpreter, timed from outside, in turns; a bare interpreter is timed with
them. The first, untimed round reads every file once, so that the disk is not measured. The wheel
is built with ``pip wheel`` unless one is given; its installed size is that of its files unpacked.
"""

import argparse
import importlib.util
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
STARTS = {
    BARE: ["-c", "pass"],
    IMPORT: ["-c", "import backpass"],
    ESTIMATOR: ["-c", ESTIMATOR],
    "backpass --help": ["-m", "backpass", "--help"],
    "import numpy": ["-c", "import numpy"],
    SKLEARN: ["-c", SKLEARN],
    "import torch": ["-c", "import torch"],
    "import jax": ["-c", "import jax"],
}
QUICK = (BARE, IMPORT, "backpass --help")


def installed(name: str) -> bool:
    """Whether what a line imports is there."""
    module = name.split()[-1].split(".")[0] if name.startswith("import") else "backpass"
    return importlib.util.find_spec(module) is not None


def seconds_of(arguments: list[str]) -> float:
    """Return the wall time of a fresh interpreter with these arguments.

    Raises
    ------
    CalledProcessError
        Where it fails: a failure is not a start.
    """
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - started


def measure(names: list[str], rounds: int) -> dict[str, list[float]]:
    """Return seconds in every round by line, after a round that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds + 1):
        for name in names:
            taken = seconds_of(STARTS[name])
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
    rows = [
        [name, f"{spread(1e3 * s for s in taken):.0f}", f"{ratios(taken, seconds[IMPORT]):.2f}"]
        for name, taken in seconds.items()
    ]
    text = table(["start", "ms", f"/ {IMPORT}"], rows)
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
