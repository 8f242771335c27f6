"""README: its table is the records', its Python runs, its set-up is two lines."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

from house import PACKAGES

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_equations_are_the_records():
    table = runpy.run_path(str(ROOT / "docs" / "make_readme_equations.py"))["table"]()
    assert table in TEXT, "run: python docs/make_readme_equations.py"


def test_the_python_runs(tmp_path):
    blocks = re.findall(r"```python\n(.+?)```", TEXT, re.DOTALL)
    assert len(blocks) == 2
    told = []
    for block in blocks:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", block],
            cwd=tmp_path,
            env={**os.environ},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        told.append(done.stdout)
    assert re.match(r"0\.[89]\d+ Network\(\[64, 64, 64, 10\]", told[0]), told[0]


def test_the_set_up_is_two_lines():
    commands = re.findall(r"<!-- set-up -->\n```bash\n(.+?)```", TEXT, re.DOTALL)
    assert [command.strip().count("\n") for command in commands] == [0, 0]


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (ROOT / target).exists(), target


def test_it_names_every_package_in_its_order():
    rows = re.findall(r"^\| \[`(\w+)/`\]\(src/backpass/\w+\) \|", TEXT, re.MULTILINE)
    assert rows == PACKAGES
