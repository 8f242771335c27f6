"""Directives that show how the source is built, read from it while the pages are built.

``{house}`` draws the packages and their imports, ``{packages}`` lists their modules, ``{places}``
says where things are, and ``{way}`` follows one call through the files.
"""

import ast
import re
import sys
import warnings
from pathlib import Path
from typing import Any

from docutils import nodes
from house_picture import NATIVE_NOTE, picture
from records import inline, paragraph, table
from sphinx.util.docutils import SphinxDirective

sys.path.append(str(Path(__file__).parents[2] / "tests"))
import house

__all__ = ["found_place", "setup", "way_to_the_engine"]

CPP = sorted(path for path in house.NATIVE.iterdir() if path.suffix in {".cpp", ".hpp"})


def plain(text: str) -> str:
    """Return a line of a docstring with its references in backquotes."""
    return re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text)


def sentence(path: Path) -> str:
    """Return the first line of a file's head."""
    return plain(house.first_line(path))


def lines(paths: list[Path]) -> int:
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)


def package_files(package: str) -> list[Path]:
    return sorted((house.ROOT / package).rglob("*.py"))


def size(files: list[Path]) -> str:
    count = f"{lines(files):,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return f"{len(files)} file{'s' * (len(files) > 1)}, {count} lines"


class House(SphinxDirective):
    """``{house}``: the packages as boxes in their order, and the imports between them."""

    def run(self) -> list[nodes.Node]:
        told = {
            package: (
                sentence(house.ROOT / package / "__init__.py").replace("`", ""),
                size(package_files(package)),
            )
            for package in house.PACKAGES
        }
        told["native"] = (NATIVE_NOTE, size(CPP))
        imports = house.imports_between_packages()
        drawn = [
            f'<div class="house house-{name}">{picture(told, imports, name)}</div>'
            for name in ("wide", "narrow")
        ]
        return [nodes.raw("", "\n".join(drawn), format="html")]


class Packages(SphinxDirective):
    """``{packages}``: a section for each package, with the first line of each of its modules."""

    def run(self) -> list[nodes.Node]:
        sections = [self._package(package) for package in house.PACKAGES]
        native = self._section("native", NATIVE_NOTE)
        native += self._files([(path.name, path) for path in CPP])
        at = house.PACKAGES.index("engines") + 1
        return [*sections[:at], native, *sections[at:]]

    def _section(self, name: str, text: str) -> nodes.section:
        anchor = f"package-{name}"
        section = nodes.section(ids=[anchor], names=[anchor])
        section += nodes.title("", "", nodes.literal("", f"{name}/"))
        section += paragraph(text)
        return section

    def _package(self, package: str) -> nodes.section:
        folder = house.ROOT / package
        section = self._section(package, sentence(folder / "__init__.py"))
        files = [
            (str(path.relative_to(folder)), path)
            for path in package_files(package)
            if path.parent != folder or path.name != "__init__.py" or defines_something(path)
        ]
        section += self._files(files)
        return section

    def _files(self, files: list[tuple[str, Path]]) -> nodes.table:
        rows = []
        for name, path in files:
            folder = name.removesuffix("__init__.py")
            shown = folder if folder else name  # a package within the package by its folder
            text = inline(sentence(path))
            if folder.endswith("/"):
                text = [nodes.strong("", "", *text)]
            rows.append([
                [nodes.paragraph("", "", nodes.literal("", shown))],
                [nodes.paragraph("", "", *text)],
            ])  # fmt: skip
        return table(["file", "what it holds"], rows, [28, 72], "modules")


def defines_something(path: Path) -> bool:
    """Return whether a file has functions or classes of its own."""
    definitions = (ast.FunctionDef, ast.ClassDef)
    return any(isinstance(node, definitions) for node in house.tree(path).body)


def found_place(place: str) -> tuple[str, str]:
    """Return where a ``file::name`` is, with its line, and what its docstring or comment says.

    Raises
    ------
    LookupError
        When there is no such file, or nothing of that name in it.
    """
    file, _, name = place.partition("::")
    path = next((p for p in (house.ROOT / file, house.NATIVE.parent / file) if p.is_file()), None)
    if path is None:
        raise LookupError(f"{file} is not there")
    if not name:
        return file, sentence(path)
    line, text = (_in_python if path.suffix == ".py" else _in_cpp)(path, name)
    return f"{file}:{line}", text


def _in_python(path: Path, name: str) -> tuple[int, str]:
    scope: Any = house.tree(path)
    for part in name.split("."):
        named = [node for node in scope.body if getattr(node, "name", None) == part]
        if not named:
            raise LookupError(f"{path.name} has no {name}")
        scope = named[0]
    doc = (ast.get_docstring(scope) or "").partition("\n")[0]
    if not doc and isinstance(scope.body[0], ast.Return):  # an equation: its line says it
        doc = f"`{ast.unparse(scope.body[0].value)}`"
    return scope.lineno, plain(doc)


def _in_cpp(path: Path, name: str) -> tuple[int, str]:
    source = path.read_text(encoding="utf-8").splitlines()
    definition = re.compile(rf"(?:struct|class) {name}\b|^[^/;]*\b{name}\(")
    at = next((i for i, line in enumerate(source) if definition.search(line)), None)
    if at is None:
        raise LookupError(f"{path.name} has no {name}")
    above = at
    while re.match(r"template|static|//|inline", source[above - 1]):
        above -= 1
    text = " ".join(line[3:] for line in source[above:at] if line.startswith("//"))
    return at + 1, text


def shown_place(place: str) -> list[nodes.Node]:
    """Return a place as nodes: its name, its file and line, and its sentence."""
    where, text = found_place(place)
    name = place.partition("::")[2]
    parts: list[nodes.Node] = [nodes.literal("", where)]
    if name:
        parts = [nodes.literal("", name), nodes.Text(" in "), *parts]
    return [*parts, nodes.Text(": "), *inline(text)] if text else parts


class Places(SphinxDirective):
    """``{places}``: lines ``what = file::name; file::name`` as a table of what is where."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        rows = []
        for line in self.content:
            what, _, places = line.partition(" = ")
            try:
                shown = [shown_place(place.strip()) for place in places.split(";")]
            except LookupError as error:
                raise self.error(f"{what}: {error}") from None
            cell = [nodes.paragraph("", "", *place) for place in shown]
            rows.append([[paragraph(what)], cell])
        return [table(["looked for", "found"], rows, [28, 72], "modules")]


def way_to_the_engine() -> list[str]:
    """Return the functions between ``MLPClassifier.fit`` and an engine's step, as ``file::name``.

    A small fit is run, and the calls that are open when the engine takes its first step are read.
    """
    import numpy as np

    from backpass import MLPClassifier

    found: list[str] = []

    def look(frame: Any, event: str, _: object) -> None:
        code = frame.f_code
        in_engine = Path(code.co_filename).parent == house.ROOT / "engines"
        if found or event != "call" or code.co_name != "advance" or not in_engine:
            return
        while frame is not None:
            file = Path(frame.f_code.co_filename)
            name = frame.f_code.co_qualname
            if file.is_relative_to(house.ROOT) and "<" not in name:
                found.insert(0, f"{file.relative_to(house.ROOT)}::{name}")
            frame = frame.f_back

    classifier, before = MLPClassifier((2,), max_iter=1), sys.getprofile()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one epoch is too few, and enough here
        sys.setprofile(look)
        try:
            classifier.fit(np.eye(4), [0, 1, 0, 1])
        finally:
            sys.setprofile(before)
    return found


class Way(SphinxDirective):
    """``{way}``: the calls from ``MLPClassifier.fit`` to the engine, then the files given."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        steps = nodes.enumerated_list(enumtype="arabic", prefix="", suffix=".")
        for place in (*way_to_the_engine(), *self.content):
            steps += nodes.list_item("", nodes.paragraph("", "", *shown_place(place)))
        return [steps]


def setup(app: Any) -> dict[str, Any]:
    """Add the directives."""
    for name, directive in {
        "house": House,
        "packages": Packages,
        "places": Places,
        "way": Way,
    }.items():
        app.add_directive(name, directive)
    app.connect("env-get-outdated", lambda *_: ["concepts/architecture"])
    return {"parallel_read_safe": True}
