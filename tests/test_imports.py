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

ROWS = [
    # 0: the ground
    "errors registry equations ops threads storage drawing value_checks inputs layouts",
    # 1: the records
    "activations loss_targets losses plain_records initializers optimizers schedules masks",
    # 2: the state
    "parameters",
    # 3: the algorithm
    "backprop",
    # 4: the same gradients the notes' other ways
    "forms",
    # 5: who computes
    "engines engines.plan engines.reference engines.native engines.rows engines.extension"
    " sample_norms",
    # 6: what a person calls
    "network network_file scikit_learn torch_modules judging history training batches"
    " stopping lbfgs notation subjects tracing checking homework checkpoints"
    " snapshots fingerprints generator_state divergence gradient_curves sample_weights",
    # 7: what the ecosystem expects
    "estimators tabular plots render report export",
    # 8: the faces
    "cli __init__ __main__",
]
ROW = {name: row for row, names in enumerate(ROWS) for name in names.split()}

# who may import scikit-learn's estimator base
ESTIMATOR_BASE = {"estimators.sklearn_versions", "tabular.encoder"}


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


def row_of(name):
    """Return the row of a module; a part of ``cli`` or of another package lies in its row."""
    while name not in ROW and "." in name:
        name = name.rpartition(".")[0]
    name = "cli" if name.startswith("cli") else name
    assert name in ROW, (
        f"src/backpass/{name.replace('.', '/')}.py is in no row: add {name!r} to ROWS in "
        "tests/test_imports.py, as low as its imports allow (docs: layout)"
    )
    return ROW[name]


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


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_down(name):
    mine = row_of(name)
    for target in inner(name):
        assert target in MODULES, f"{name} imports {target}, which is not there"
        assert row_of(target) <= mine, (
            f"{name} (row {mine}) imports {target} (row {row_of(target)}): imports point down"
        )


def test_there_are_no_cycles():
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


def test_the_rows_are_sound():
    names = " ".join(ROWS).split()
    assert len(names) == len(set(names)), "a module stands in two rows"


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
    names = [name for name in MODULES if ROW.get(name.partition(".")[0], 9) < 7]
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


@pytest.mark.parametrize("name", [n for n in MODULES if ROW.get(n, 9) <= 6])
def test_every_modules_all_is_true(name):
    module = importlib.import_module(f"backpass.{name}")
    for exported in getattr(module, "__all__", []):
        assert hasattr(module, exported), f"{name}.__all__ names {exported!r}"
