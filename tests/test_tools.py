"""The examples of docs/how-to/tools.md, each with the tool that it is about.

``pip install -e '.[tools-test]'`` brings the tools. Where one is absent its examples are skipped,
but with BACKPASS_REQUIRE_TOOLS=1 they fail.
"""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = {"mlflow", "optuna", "shap", "skops", "skrub"}
PAGE = Path(__file__).parent.parent / "docs" / "how-to" / "tools.md"

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="docs/ is not in this checkout")


def absent(tool):
    return importlib.util.find_spec(tool) is None and not os.environ.get("BACKPASS_REQUIRE_TOOLS")


def sections():
    """Return the examples of each section of the page by the tool that its heading names."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
    titled = re.findall(r"^## (\w+): .*\n((?:(?!^## ).*\n)*)", text, re.M)
    return {tool: re.findall(r"^```python\n(.*?)^```$", body, re.M | re.S) for tool, body in titled}


EXAMPLES = [
    pytest.param(
        code,
        id=f"{tool} {number}",
        marks=pytest.mark.skipif(absent(tool), reason=f"{tool} is not installed"),
    )
    for tool, codes in sections().items()
    for number, code in enumerate(codes, start=1)
]


def test_every_tool_has_an_example():
    assert {tool for tool, codes in sections().items() if codes} == TOOLS


@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example_runs(code, tmp_path):
    assert re.search(r"^assert ", code, re.M), "it says nothing of what comes out"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={
            **os.environ,
            "MPLBACKEND": "Agg",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "TMPDIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
