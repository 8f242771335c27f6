"""What is installed: its version, its data, and the package without its compiled extension."""

import ast
import importlib.metadata
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import backpass
from backpass.engines.extension import MEND, missing

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_one_version():
    assert backpass.__version__ == PROJECT["version"]
    installed = importlib.metadata.distribution("backpass")
    assert installed.version == PROJECT["version"]
    assert installed.metadata["Requires-Python"] == PROJECT["requires-python"]


def test_types_are_shipped():
    home = Path(backpass.__file__).parent
    assert (home / "py.typed").exists()
    assert (home / "_native.pyi").exists()


def test_sources_and_tests_are_not_installed():
    for file in importlib.metadata.files("backpass") or ():
        assert file.suffix not in {".cpp", ".hpp", ".txt"} or "dist-info" in file.parts[0], file
        assert file.parts[0] != "tests"


def public(names):
    return {name for name in names if not name.startswith("_")}


@pytest.mark.skipif(missing() is not None, reason="the native engine was not built")
def test_the_stub_names_what_the_extension_has():
    import backpass._native as native

    stub = ast.parse((ROOT / "src" / "backpass" / "_native.pyi").read_text(encoding="utf-8"))
    tops = {
        node.name: node for node in stub.body if isinstance(node, ast.ClassDef | ast.FunctionDef)
    }
    assert public(tops) == public(dir(native))
    for name, node in tops.items():
        if isinstance(node, ast.ClassDef) and not name.startswith("_"):
            body = tops[node.bases[0].value.id].body if node.bases else node.body
            methods = {x.name for x in body if isinstance(x, ast.FunctionDef)}
            assert public(methods) == public(dir(getattr(native, name))), name


WITHOUT = """
import sys, warnings
sys.modules["backpass._native"] = None  # as if it had not been built
import numpy as np
from backpass import MLPRegressor
from backpass.errors import InputError
X, y = np.eye(3), np.arange(3.0)
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for _ in range(2):
        model = MLPRegressor(hidden_layer_sizes=(2,), max_iter=2).fit(X, y)
print(model.engine_)
print(*(str(w.message) for w in told if "engine" in str(w.message)), sep="\\n")
try:
    MLPRegressor(hidden_layer_sizes=(2,), engine="native").fit(X, y)
except InputError as error:
    print(error)
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    MLPRegressor(hidden_layer_sizes=(2,), engine="reference", max_iter=2).fit(X, y)
print(sum("engine" in str(w.message) for w in told))
"""


def test_without_the_extension_training_goes_on_and_says_so_once():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    engine, warning, error, silent = done.stdout.splitlines()
    assert engine == "reference"
    assert warning.startswith("training runs on the slower reference engine")
    assert warning.endswith(MEND)
    assert error.startswith("engine 'native' cannot train this: the native engine was not built")
    assert error.endswith(MEND)
    assert silent == "0"
