"""No argument of the extension can end the process: what cannot be used is refused."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from native_cases import needs_native

pytestmark = needs_native

HOSTILE = Path(__file__).with_name("native_hostile.py")


def test_arguments_that_cannot_be_used_are_refused():
    """In a process of its own, and with every byte that malloc hands out or takes back set."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", str(HOSTILE)],
        capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "MALLOC_PERTURB_": "165"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    lines = done.stdout.splitlines()
    assert int(lines[-1].split()[0]) > 400
    if lines[:-1]:
        pytest.fail("not refused:\n" + "\n".join(lines[:-1]))
