"""What fails while the engine computes ends in an exception or changes nothing; see the program."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from native_cases import needs_native

pytestmark = needs_native

ROOT = Path(__file__).parent.parent
NATIVE = ROOT / "native"
# as the extension is built, but for what finds a place out of bounds
FLAGS = ["-std=c++17", "-O1", "-g1", "-ffp-contract=fast", "-fno-math-errno", "-pthread",
         "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]  # fmt: skip


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_faults_at_known_moments(tmp_path):
    program = tmp_path / "native_faults"
    sources = [ROOT / "tests" / "native_faults.cpp", NATIVE / "kernels.cpp"]
    subprocess.run(
        ["g++", *FLAGS, f"-I{NATIVE}", "-DBACKPASS_ISA=baseline", "-DBACKPASS_BYTES=16", *sources,
         "-o", program, "-ldl"],
        check=True,
    )  # fmt: skip
    environment = {name: x for name, x in os.environ.items() if name != "LD_PRELOAD"}
    done = subprocess.run(
        [program], capture_output=True, text=True, timeout=120, check=False,
        env={**environment, "ASAN_OPTIONS": "detect_leaks=0"},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stdout + done.stderr[-3000:]


def test_no_number_has_the_width_that_a_platform_gives_it():
    """A `long` has 32 bits on Windows: a pool that counted its rounds in one stood still."""
    for path in NATIVE.iterdir():
        code = re.sub(r"//.*", "", path.read_text(encoding="utf-8"))
        assert not re.findall(r"\b(?:unsigned )?long\b", code), path.name
