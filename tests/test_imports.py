"""Imports point down, `import backpass` stays light, and every exported name is there."""

import ast
import importlib
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter

import polars as pl
import pytest

import backpass
from backpass import Recipe, TabularModel
from backpass.tabular.files import table_bytes
from house import MODULES, PACKAGES, ROOT, ROOT_MODULES, imported, inner, package_of, tree

# who may import scikit-learn's estimator base
ESTIMATOR_BASE = {"estimators.compat"}


def test_every_module_is_in_a_package():
    outside = {name for name in MODULES if "." not in name and MODULES[name].name != "__init__.py"}
    assert outside | {"__init__"} == ROOT_MODULES, "a new file goes into one of the packages"
    assert {package_of(name) for name in MODULES} - ROOT_MODULES == set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_down(package):
    below = PACKAGES[: PACKAGES.index(package) + 1]
    inside = [name for name in {*MODULES} - ROOT_MODULES if package_of(name) == package]
    for name, target in [(module, target) for module in inside for target in inner(module)]:
        assert target in MODULES, f"{name} imports {target}, which is not there"
        if name == "cli.app" and target == "__init__":  # its version
            continue
        assert package_of(target) in [*below, "errors"], (
            f"{name} imports {target}: {package} may import {', '.join(below)} only "
            "(docs/concepts/architecture.md)"
        )


def test_there_are_no_circles():
    graph = {name: set(inner(name)) - {name} for name in MODULES}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"these import each other: {' → '.join(error.args[1])}")


def test_only_the_adapter_imports_scikit_learns_base():
    for name in {*MODULES} - {*ESTIMATOR_BASE}:
        bases = [t for t in imported(MODULES[name], name) if t.startswith("sklearn.base")]
        assert not bases, f"{name} imports {bases}: only {sorted(ESTIMATOR_BASE)} may"


def run(code):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=300
    )


HEAVY = (
    "numpy scipy sklearn polars pandas array_api_compat rich typer torch matplotlib safetensors "
    "jax autograd hypothesis onnx filelock"
)


def test_importing_backpass_loads_nothing_heavy():
    done = run(
        "import backpass, sys\n"
        f"print([n for n in {HEAVY.split()!r} if n in sys.modules])\n"
        "print(sorted(m for m in sys.modules if m.startswith('backpass')))\n"
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["[]", "['backpass']"]


def test_a_model_is_used_without_scikit_learn(tmp_path):
    table = {"size": [1.0, 2.0, 3.0, None] * 10, "city": ["Bonn", "Oslo"] * 20}
    table["dear"] = [size == 3.0 for size in table["size"]]
    model = TabularModel.fit(table, "dear", recipe=Recipe(epochs=2))
    model.save(tmp_path / "m.backpass")
    (tmp_path / "t.csv").write_bytes(table_bytes(pl.DataFrame(table)))
    done = run(
        "import sys\n"
        "from backpass import TabularModel, check_gradients, read_table, trace\n"
        f"table = read_table({str(tmp_path / 't.csv')!r})\n"
        f"model = TabularModel.load({str(tmp_path / 'm.backpass')!r})\n"
        "model.predict(table), model.evaluate(table), str(trace(model, table[:2]))\n"
        "check_gradients(model, table[:2])\n"
        "print([n for n in ('sklearn', 'scipy', 'pandas') if n in sys.modules])\n"
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


SELDOM = {
    "predict": ["training.trainer", "training.checkpoints", "network.to_torch",
                "network.sklearn_mlp", "derivatives", "cli.tables", "tabular.setup"],
    "evaluate": ["training.trainer", "training.checkpoints", "derivatives", "tabular.report",
                 "tabular.experiment"],
    "check": ["training.trainer", "training.displays", "derivatives.tracing", "derivatives.pages",
              "tabular.report"],
    "trace": ["training.trainer", "derivatives.checking", "derivatives.forms", "cli.tables",
              "derivatives.tracing.other_forms", "derivatives.tracing.network_picture",
              "derivatives.tracing.graph_picture", "derivatives.tracing.meanings",
              "derivatives.pages",
              "derivatives.tracing.to_html", "derivatives.tracing.to_latex"],
}  # fmt: skip
"""What a command does not load, as it needs it never or with some options only."""


@pytest.mark.parametrize("command", SELDOM)
def test_a_command_loads_what_it_uses(command, tmp_path):
    table = {"size": [1.0, 2.0, 3.0, 4.0] * 10, "dear": ["no", "no", "yes", "yes"] * 10}
    TabularModel.fit(table, "dear", recipe=Recipe(epochs=1)).save(tmp_path / "m.backpass")
    (tmp_path / "t.csv").write_bytes(table_bytes(pl.DataFrame(table)))
    files = [str(tmp_path / name) for name in ("m.backpass", "t.csv")]
    done = run(
        "import contextlib, io, sys\n"
        "from backpass.cli import main\n"
        "kept = io.TextIOWrapper(io.BytesIO())\n"
        "with contextlib.redirect_stdout(kept):\n"
        f"    code = main([{command!r}, *{files!r}])\n"
        f"print(code, [n for n in {SELDOM[command]!r} if f'backpass.{{n}}' in sys.modules])\n"
        "print([n for n in ('html', 'sklearn', 'scipy.stats', 'pandas') if n in sys.modules])\n"
    )
    assert (done.stdout, done.stderr) == ("0 []\n[]\n", "")


@pytest.mark.slow
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


def test_type_checkers_see_what_is_loaded_lazily():
    imports = [
        node
        for branch in tree(MODULES["__init__"]).body
        if isinstance(branch, ast.If)
        for node in branch.body
        if isinstance(node, ast.ImportFrom)
    ]
    seen = {alias.asname: node.module for node in imports for alias in node.names}
    assert seen == backpass._HOMES


def test_the_exported_names_have_types(tmp_path):
    pytest.importorskip("mypy")
    names = [name for name in backpass.__all__ if name != "__version__"]
    file = tmp_path / "typed.py"
    file.write_text(
        "import backpass\n"
        f"from backpass import {', '.join(names)}\n"
        + "".join(f"reveal_type({name})\n" for name in names)
        + "backpass.trian\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", file],
        cwd=ROOT.parent.parent,
        capture_output=True,
        text=True,
        timeout=300,
    )
    *notes, wrong = done.stdout.splitlines()
    told = [line.partition('Revealed type is "')[2] for line in notes]
    assert len(told) == len(names), done.stdout
    untyped = [name for name, kind in zip(names, told, strict=True) if kind.startswith("Any")]
    assert not untyped
    assert 'Module has no attribute "trian"' in wrong


def test_every_modules_all_is_true():
    for name in {*MODULES} - {"__main__"}:
        module = importlib.import_module(f"backpass.{name}")
        for exported in getattr(module, "__all__", []):
            assert hasattr(module, exported), f"{name}.__all__ names {exported!r}"
