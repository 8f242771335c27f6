"""Imports point down, `import backpass` stays light, and every exported name is there."""

import ast
import importlib
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import backpass

ROOT = Path(backpass.__file__).parent

PACKAGES = [
    "core",
    "storage",
    "engines",
    "network",
    "training",
    "estimators",
    "derivatives",
    "tabular",
    "export",
    "cli",
]
"""From the ground up: a package imports what stands before it, and itself."""
ROOT_MODULES = {"__init__", "__main__", "errors"}

# who may import scikit-learn's estimator base
ESTIMATOR_BASE = {"estimators.compat", "tabular.encoder"}


def modules():
    """Return the path of every module by its name without the package: ``engines.plan``."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[-1] == "__init__" and len(parts) > 1:
            parts = parts[:-1]
        found[".".join(parts)] = path
    return found


MODULES = modules()


def imported(path, name):
    """Return the dotted names that a file imports, wherever in it the statement stands."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = [p for p in ("backpass." + package).split(".") if p != "__init__"]
                parents = [p for p in parents if p]
                parents = parents[: len(parents) - node.level + 1]
                base = ".".join([*parents, *filter(None, [base])])
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield full if full.removeprefix("backpass.") in MODULES else base


def inner(name):
    """Return the modules of backpass that module `name` imports."""
    for target in imported(MODULES[name], name):
        if target == "backpass":
            yield "__init__"
        elif target.startswith("backpass."):
            yield target.removeprefix("backpass.")


def package_of(name):
    return name.partition(".")[0]


def test_every_module_is_in_a_package():
    outside = {name for name in MODULES if "." not in name and MODULES[name].name != "__init__.py"}
    assert outside | {"__init__"} == ROOT_MODULES, "a new file goes into one of the packages"
    assert {package_of(name) for name in MODULES} - ROOT_MODULES == set(PACKAGES)


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_down(name):
    if name in ROOT_MODULES:
        return
    below = PACKAGES[: PACKAGES.index(package_of(name)) + 1]
    for target in inner(name):
        assert target in MODULES, f"{name} imports {target}, which is not there"
        if name == "cli.app" and target == "__init__":  # its version
            continue
        assert package_of(target) in [*below, "errors"], (
            f"{name} imports {target}: {package_of(name)} may import {', '.join(below)} only "
            "(docs/concepts/architecture.md)"
        )


def test_there_are_no_circles():
    graph = {name: set(inner(name)) - {name} for name in MODULES}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"these import each other: {' → '.join(error.args[1])}")


@pytest.mark.parametrize("name", MODULES)
def test_only_the_adapter_imports_scikit_learns_base(name):
    if name in ESTIMATOR_BASE:
        return
    bases = [t for t in imported(MODULES[name], name) if t.startswith("sklearn.base")]
    assert not bases, f"{name} imports {bases}: only {sorted(ESTIMATOR_BASE)} may"


def run(code):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=300
    )


HEAVY = (
    "numpy scipy sklearn polars pandas array_api_compat rich typer torch matplotlib safetensors "
    "jax autograd hypothesis onnx"
)


def test_importing_backpass_loads_nothing_heavy():
    done = run(
        "import backpass, sys\n"
        f"print([n for n in {HEAVY.split()!r} if n in sys.modules])\n"
        "print(sorted(m for m in sys.modules if m.startswith('backpass')))\n"
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["[]", "['backpass']"]


def test_every_module_can_be_imported_first():
    """No module leans on another of the package having been imported before it."""
    names = [name for name in MODULES if package_of(name) in {*PACKAGES[:7], "errors"}]
    done = run(
        "import importlib, sys\n"
        f"for name in {names!r}:\n"
        "    for loaded in [m for m in sys.modules if m.partition('.')[0] == 'backpass']:\n"
        "        del sys.modules[loaded]\n"
        "    print(name, flush=True)\n"
        "    importlib.import_module(f'backpass.{name}')\n"
    )
    assert done.returncode == 0, f"{done.stdout.split()[-1]}: {done.stderr}"
    assert done.stdout.split() == names


@pytest.mark.parametrize("name", backpass.__all__)
def test_exported_names_are_there(name):
    assert getattr(backpass, name) is not None
    assert name in dir(backpass)
    if name != "__version__":
        assert backpass._HOMES[name].removeprefix("backpass.") in MODULES
        assert getattr(backpass, name).__doc__, f"{name} has no docstring"


def test_exported_names_are_unique_and_others_are_refused():
    assert len(backpass.__all__) == len(set(backpass.__all__))
    with pytest.raises(AttributeError, match="module 'backpass' has no attribute 'nonsense'"):
        backpass.nonsense  # noqa: B018
    scope = {}
    exec("from backpass import *", scope)
    assert set(backpass.__all__) <= set(scope)


@pytest.mark.parametrize("name", [n for n in MODULES if n != "__main__"])
def test_every_modules_all_is_true(name):
    module = importlib.import_module(f"backpass.{name}")
    for exported in getattr(module, "__all__", []):
        assert hasattr(module, exported), f"{name}.__all__ names {exported!r}"
