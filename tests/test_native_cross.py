"""The kernels for aarch64 compute what those of this machine do: cross-compiled, run by QEMU."""

import math
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NATIVE = ROOT / "native"
TOOLS = ("g++", "aarch64-linux-gnu-g++", "qemu-aarch64")
FLAGS = ["-std=c++17", "-O2", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math"]


def results(folder, compiler, isa, runner=()):
    """Return the lines of `native_cross.cpp`, built for one instruction set."""
    program, sources = folder / isa, [ROOT / "tests" / "native_cross.cpp", NATIVE / "kernels.cpp"]
    subprocess.run(
        [compiler, *FLAGS, "-pthread", "-static", f"-I{NATIVE}", f"-DBACKPASS_ISA={isa}",
         "-DBACKPASS_BYTES=16", *sources, "-o", program],
        check=True,
    )  # fmt: skip
    done = subprocess.run([*runner, program], capture_output=True, text=True, check=True)
    return [line.split() for line in done.stdout.splitlines()]


@pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in TOOLS), reason=f"needs {', '.join(TOOLS)}"
)
def test_aarch64_computes_what_this_machine_does(tmp_path):
    ours = results(tmp_path, "g++", "baseline")
    theirs = results(tmp_path, "aarch64-linux-gnu-g++", "neon", ["qemu-aarch64"])
    assert len(ours) == len(theirs) == 16
    for got, right in zip(theirs, ours, strict=True):
        assert got[:4] == right[:4]
        # 17 steps; sums of some hundred terms, of which each is off by some roundings a step
        tolerance = 2e-4 if right[3] == "4" else 1e-11
        for x, y in zip(got[4:], right[4:], strict=True):
            assert math.isclose(float(x), float(y), rel_tol=tolerance), (got, right)
    for half in (ours[:4], ours[8:12]):  # two threads compute the same bytes as one
        start = ours.index(half[0])
        assert half == ours[start + 4 : start + 8]
