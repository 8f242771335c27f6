"""Directives that render the records: what a page shows is what the code computes with."""

import hashlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from mathml import aligned
from pictures import draw, draw_displays
from sphinx.util.docutils import SphinxDirective

from backpass.core.activations import ACTIVATIONS
from backpass.core.equations import EQUATIONS
from backpass.core.initializers import INITIALIZERS
from backpass.core.losses import LOSSES
from backpass.core.optimizers import OPTIMIZERS
from backpass.core.registry import Registry
from backpass.core.schedules import SCHEDULES
from backpass.derivatives.homework import MISTAKES
from backpass.derivatives.homework.mistake import SLOPES
from backpass.derivatives.notation import CODE
from backpass.derivatives.notation.in_line import spoken

__all__ = ["REGISTRIES", "inline", "paragraph", "setup", "table"]

REGISTRIES: dict[str, Registry[Any]] = {
    "activations": ACTIVATIONS,
    "losses": LOSSES,
    "optimizers": OPTIMIZERS,
    "schedules": SCHEDULES,
    "initializers": INITIALIZERS,
}

ALT = {
    "activations": "{name}: value and derivative over z",
    "losses": "{name}: value and derivative over the prediction",
    "optimizers": "{name}: forty steps in an elongated bowl",
    "schedules": "{name}: the learning rate over twenty epochs",
    "initializers": "{name}: distribution of the first weights and biases",
}


def _math(latex: str, owner: SphinxDirective) -> nodes.math_block:
    node = nodes.math_block("", latex.strip(), nowrap=False, number=None, docname=owner.env.docname)
    node["label"] = None
    return node


def inline(text: str) -> list[nodes.Node]:
    """Return text with ``code`` in backquotes."""
    return [
        nodes.literal("", part.strip("`")) if part.startswith("`") else nodes.Text(part)
        for part in re.split(r"(`+[^`]+`+)", text)
        if part
    ]


def paragraph(text: str, *classes: str) -> nodes.paragraph:
    return nodes.paragraph("", "", *inline(text), classes=list(classes))


def _summary(maker: Any) -> str:
    """Return the first line of a maker's docstring as a description of the record."""
    line = re.sub(r"\s+", " ", (inspect.getdoc(maker) or "").split("\n\n")[0])
    line = re.sub(r"^Return |\*", "", line)
    # a sentence gets its capital, a formula does not
    return line[:1].upper() + line[1:] if re.match(r"[a-z]+[ ,’']", line) else line


def table(head: list[str], rows: list[list[list[nodes.Node]]], widths: list[int], *classes: str):
    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=width) for width in widths]
    titles = nodes.row("", *(nodes.entry("", nodes.paragraph("", h)) for h in head))
    group += nodes.thead("", titles)
    group += nodes.tbody("", *(
        nodes.row("", *(nodes.entry("", *cell) for cell in cells)) for cells in rows
    ))  # fmt: skip
    return nodes.table("", group, classes=list(classes))


def _picture_folder(owner: SphinxDirective) -> Path:
    folder = Path(owner.env.app.srcdir) / "generated" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _images(name: str, alt: str) -> list[nodes.Node]:
    """Return the light and the dark version of a picture; the theme shows one of them."""
    return [
        nodes.image(
            uri=f"/generated/pictures/{name}-{theme}.svg", alt=alt, classes=[f"only-{theme}"]
        )
        for theme in ("light", "dark")
    ]


class Displays(SphinxDirective):
    """``{displays}``: both displays of one run."""

    def run(self) -> list[nodes.Node]:
        draw_displays(_picture_folder(self) / "displays")
        alt = "Left: training and validation loss over the epochs, the best epoch marked. "
        alt += "Right: the norm of each layer's gradient over the epochs."
        return _images("displays", alt)


class Records(SphinxDirective):
    """``{records} activations``: a section for every record of a registry."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        kind = directives.choice(self.arguments[0], tuple(REGISTRIES))
        registry = REGISTRIES[kind]
        return [self._section(kind, registry, name) for name in registry]

    def _section(self, kind: str, registry: Registry[Any], name: str) -> nodes.section:
        record = registry[name]()
        anchor = f"{registry.kind}-{name.replace('_', '-')}"
        section = nodes.section(ids=[anchor], names=[anchor])
        self.state.document.note_explicit_target(section)  # pages link to it: (#loss-huber)
        section += nodes.title("", "", nodes.literal("", name))
        section += paragraph(_summary(registry[name]))
        body = nodes.container(classes=["record-body"])
        mathematics = nodes.container(classes=["record-mathematics"])
        if len(lines := self._mathematics(record)) > 0:
            mathematics += lines
        picture = nodes.container("", *self._pictures(kind, record), classes=["record-picture"])
        body += [mathematics, picture]
        section += body
        section += [paragraph(fact, "record-facts") for fact in self._facts(registry, record)]
        return section

    def _mathematics(self, record: Any) -> list[nodes.Node]:
        latex = getattr(record, "derivation", None) or getattr(record, "formula", "")
        found: list[nodes.Node] = [_math(self._broken(latex), self)]
        for output, pair in getattr(record, "fused", {}).items():
            found += [
                paragraph(f"With output `{output}`, in one formula:"),
                _math(aligned(pair.derivation), self),
            ]
        return found

    @staticmethod
    def _broken(latex: str) -> str:
        r"""Return a formula with a row a step, at ``\\`` or else ``,\quad``, aligned at =."""
        if "\\\\" not in latex:
            latex = r" \\ ".join(re.split(r",\\quad\s*", latex))
        return aligned(latex)

    def _pictures(self, kind: str, record: Any) -> list[nodes.Node]:
        name = f"{kind}-{record.name}"
        draw(kind, record, _picture_folder(self) / name)
        return _images(name, ALT[kind].format(name=record.name))

    def _facts(self, registry: Registry[Any], record: Any) -> list[str]:
        facts = []
        if source := getattr(record, "source", ""):
            facts.append(f"From: {source}.")
        takes = inspect.signature(registry[record.name]).parameters
        if takes:
            first = next(iter(takes.values()))
            numbers = ", ".join(f"`{p.name}` = {p.default:g}" for p in takes.values())
            facts.append(f'Takes {numbers}: `"{record.name}:{first.name}={first.default:g}"`.')
        if registry is ACTIVATIONS:
            facts.append("For hidden layers and the output." if record.hidden else "Output only.")
        if registry is LOSSES:
            facts.append(f"Goes with output {', '.join(f'`{o}`' for o in record.outputs)}.")
        if getattr(record, "per_step", False):
            facts.append("Changes at every step; the others at the start of an epoch.")
        return facts


class Equations(SphinxDirective):
    """``{equations}``: the table of the equations, from their records."""

    def run(self) -> list[nodes.Node]:
        rows = []
        for equation in EQUATIONS.values():
            mark = nodes.target("", "", ids=[f"equation-{equation.id.lower()}"])
            what = nodes.paragraph("", "", mark, nodes.Text(equation.id))
            code = nodes.paragraph("", "", nodes.literal("", equation.code, classes=["wrap"]))
            rows.append([
                [what, paragraph(equation.title)],
                [_math(equation.latex, self), code, paragraph(equation.shapes, "record-facts")],
                [paragraph(equation.source, "record-facts")],
            ])  # fmt: skip
        head = ["", "equation, code and shapes", "in the notes"]
        return [table(head, rows, [18, 54, 28], "equations")]


class Outputs(SphinxDirective):
    """``{outputs}``: which output activations go with which loss, from the registry."""

    def run(self) -> list[nodes.Node]:
        rows = []
        for loss in LOSSES.records():
            usual, *others = loss.outputs
            fused = ", ".join(f"`{o}`" for o in loss.fused) or "–"
            rows.append([
                [paragraph(f"`{loss.name}`")],
                [paragraph(loss.task)],
                [paragraph(f"`{usual}`")],
                [paragraph(", ".join(f"`{o}`" for o in others) or "–")],
                [paragraph(fused)],
            ])  # fmt: skip
        head = ["loss", "a prediction is", "usual output", "also", "fused error signal"]
        return [table(head, rows, [20, 14, 14, 34, 18])]


class Mistakes(SphinxDirective):
    """``{mistakes}``: the mistakes that homework knows, from their records."""

    def run(self) -> list[nodes.Node]:
        rows = []
        for mistake in (each.with_slopes(SLOPES) for each in MISTAKES.values()):
            ways = [spoken(way.where, CODE) for way in mistake.ways if way.where]
            told = (spoken(text, CODE) for text in (mistake.sentence, mistake.mend))
            what = [paragraph(" ".join(f"{_capital(text)}." for text in told))]
            if ways:
                what += [paragraph(f"Ways: {'; '.join(ways)}.", "record-facts")]
            right = EQUATIONS[mistake.equation]
            rule = nodes.paragraph("", f"{right.id}: ", classes=["record-facts"])
            rule += [
                nodes.literal("", right.code, classes=["wrap"]),
                nodes.Text(f"; {mistake.source}"),
            ]
            rows.append([[paragraph(mistake.name)], [*what, rule]])
        head = ["mistake", "what went wrong, how to mend it, and what is right"]
        return [table(head, rows, [28, 72], "equations")]


def _capital(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}" if text[0].isascii() else text  # φ stays φ


class CommandHelp(SphinxDirective):
    """``{command-help} fit``: what ``backpass fit --help`` prints."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        command = [sys.executable, "-c", "from backpass.cli import main; main()"]
        shown = subprocess.run(
            [*command, *self.arguments, "--help"],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "COLUMNS": "88", "NO_COLOR": "1", "TERM": "dumb"},
        )
        text = shown.stdout.replace("python -c", "backpass").replace("Usage: -c", "Usage: backpass")
        return [nodes.literal_block(text, text, language="none")]


def _reread(app: Any, env: Any, added: Any, changed: Any, removed: Any) -> list[str]:
    """Read the pages of records anew when a record's file changed."""
    import backpass

    folder = Path(backpass.__file__).parent
    files = [folder / "core" / f"{name}.py" for name in (*REGISTRIES, "equations")]
    files += list((folder / "derivatives" / "homework").rglob("*.py"))
    files += list(Path(__file__).parent.glob("*.py"))
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    before, env.backpass_records = getattr(env, "backpass_records", None), digest
    return (
        []
        if before == digest
        else [
            d for d in env.found_docs if d.startswith(("records/", "concepts/", "how-to/homework"))
        ]
    )


def setup(app: Any) -> dict[str, Any]:
    """Add the directives."""
    app.add_directive("records", Records)
    app.add_directive("equations", Equations)
    app.add_directive("outputs", Outputs)
    app.add_directive("command-help", CommandHelp)
    app.add_directive("displays", Displays)
    app.add_directive("mistakes", Mistakes)
    app.connect("env-get-outdated", _reread)
    return {"parallel_read_safe": True, "env_version": 1}
