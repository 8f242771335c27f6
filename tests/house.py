"""How the source is built: the packages in their order, their modules, and who imports whom.

It reads the files and imports none. tests/test_imports.py holds the imports to the order, and
docs/_ext/architecture.py draws them.
"""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import backpass

ROOT = Path(backpass.__file__).parent
NATIVE = Path(__file__).parent.parent / "native"

PACKAGES = [
    "core",
    "storage",
    "engines",
    "network",
    "training",
    "estimators",
    "derivatives",
    "tabular",
    "scaling",
    "export",
    "page",
    "cli",
]
"""From the ground up: a package imports what stands before it, and itself."""
ROOT_MODULES = {"__init__", "__main__", "errors"}


def modules():
    """Return the path of every module by its name without the package: ``engines.native``."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[-1] == "__init__" and len(parts) > 1:
            parts = parts[:-1]
        found[".".join(parts)] = path
    return found


MODULES = modules()


@cache
def tree(path):
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def first_line(path):
    """Return the first line of a module's docstring, or the first sentence of a C++ file's head."""
    if path.suffix == ".py":
        return (ast.get_docstring(tree(path)) or "").partition("\n")[0]
    head = re.match(r"(?://.*\n)*", path.read_text(encoding="utf-8"))[0]
    return re.split(r"(?<=\.)\s", re.sub(r"\n?// ?", " ", head).strip())[0]


def imported(path, name):
    """Return the dotted names that a file imports, wherever in it the statement stands."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree(path)):
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


def imports_between_packages():
    """Return how many names each package takes from each other: {(importer, imported): count}."""
    pairs = ((package_of(name), package_of(target)) for name in MODULES for target in inner(name))
    return Counter(
        (above, below) for above, below in pairs if above != below and {above, below} <= {*PACKAGES}
    )
