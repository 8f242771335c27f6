"""What a measurement depends on (processor, libraries, compiler), and the file it goes to."""

import datetime
import importlib.metadata
import json
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

LOAD = os.getloadavg()[0] if hasattr(os, "getloadavg") else None  # before anything is measured
LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "jax", "onnxruntime")


def cpu_and_cores() -> tuple[str, int]:
    """Return the processor's name, and how many cores this process may use."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", info.read_text()) if info.exists() else None
    cpu = found[1].strip() if found else platform.machine()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return cpu, cores or 1


def machine() -> str:
    """Say what is measured on, without names or paths."""
    cpu, cores = cpu_and_cores()
    return f"{cores} cores, {cpu}, Python {platform.python_version()}, NumPy {np.__version__}"


def compiler_of(extension: bytes) -> str:
    """Return the compiler that a compiled file names, or ""."""
    found = re.search(rb"clang version [\d.]+|GCC: \([^)\0]*\) [\d.]+", extension)
    return re.sub(r"GCC: \(.*\)", "GCC", found[0].decode()) if found else ""


def native() -> tuple[str, str]:
    """Return the instruction set that the native engine uses here, and who compiled it."""
    from backpass.engines.extension import extension, instruction_set, missing

    if missing():
        return "", ""
    return instruction_set(), compiler_of(Path(extension().__file__).read_bytes())


def blas() -> str:
    """Return the library that multiplies NumPy's matrices, and what it takes this processor for."""
    import threadpoolctl

    found = [x for x in threadpoolctl.threadpool_info() if x["user_api"] == "blas"]
    # SciPy brings one of its own
    found.sort(key=lambda x: "numpy" not in x["filepath"].lower())
    parts = ("internal_api", "version", "architecture")
    return " ".join(x for x in (found[0].get(part) for part in parts) if x) if found else ""


def versions() -> dict[str, str]:
    """Return the versions of the libraries that are installed."""
    found = {}
    for library in LIBRARIES:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """Return the commit that is measured, with a plus sign where files were changed since."""
    command = ["git", "describe", "--always", "--exclude=*", "--dirty=+", "--abbrev=7"]
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def about() -> dict[str, Any]:
    """Return what a measurement depends on, without names or paths."""
    cpu, cores = cpu_and_cores()
    isa, compiler = native()
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": commit(),
        "load": LOAD,
        "cpu": cpu,
        "cores": cores,
        "system": f"{platform.system()} {platform.machine()}",
        "instruction set": isa,
        "compiler": compiler,
        "blas": blas(),
        "python": platform.python_version(),
        "libraries": versions(),
    }


def told_options(arguments: Sequence[str]) -> str:
    """Return a program's options as text, without where its results go, and without folders."""
    kept, left = [], iter(arguments)
    for argument in left:
        if argument == "--json":
            next(left, None)
        elif not argument.startswith("--json="):
            kept.append(Path(argument).name if os.sep in argument else argument)
    return shlex.join(kept)


def write_json(path: Path | None, program: str, results: Any) -> None:
    """Write a program's `results` to `path`, where one was given, with what they depend on.

    ``python -m benchmarks.report`` reads such files.
    """
    if path is None:
        return
    told = {"program": program, "options": told_options(sys.argv[1:]), **about()}
    text = json.dumps({**told, "results": results}, indent=1)
    # a list of numbers on one line
    text = re.sub(r"\[[^][{}]*\]", lambda found: " ".join(found[0].split()), text)
    path.write_text(text + "\n", encoding="utf-8")
