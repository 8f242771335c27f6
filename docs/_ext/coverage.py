"""The directive ``coverage``: a note's formulas, definitions and figures, and where each is here.

``{coverage} 1`` makes the table of note 1 from the list in ``covered``.
"""

from pathlib import Path

from covered import COVERED, NOTATIONS
from covered.row import Row, Step
from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from records import table
from sphinx.util.docutils import SphinxDirective

__all__ = ["setup"]

ROLES = {
    "output": "of the output layer",
    "hidden": "of the hidden layers",
    "input": "of the input",
    "every": "of every layer",
    "first": "of layer 1",
    "mean": "in the mean over the samples",
}


class Coverage(SphinxDirective):
    """Shows one note's rows."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        note = directives.positive_int(self.arguments[0])
        rows = [
            [self._cell(place if first else ""), self._cell(row.title), self._here(note, row)]
            for place, rows in COVERED[note].items()
            for first, row in zip([True] + [False] * len(rows), rows, strict=False)
        ]
        return [table(["place", "what", "here"], rows, [24, 42, 34], "equations", "coverage")]

    def _cell(self, markdown: str) -> list[nodes.Node]:
        """Return a piece of Markdown, with its formulas and links."""
        holder = nodes.container()
        self.state.nested_parse(StringList([markdown], source="covered"), 0, holder)
        return holder.children

    def _here(self, note: int, row: Row) -> list[nodes.Node]:
        lines = [f"Not here, because it is {row.absent}."] if row.absent else []
        links = ", ".join(_link(page) for page in row.page.split())
        lines += [f"Page: {links}."] if links else []
        lines += [f"Trace: {_told(note, list(row.shown()))}."] if row.steps else []
        names = (f"{{py:obj}}`~backpass.{name}`" for name in row.functions.split())
        lines += [f"Function: {', '.join(names)}."] if row.functions else []
        return [node for line in lines for node in self._cell(line)]


def _link(page: str) -> str:
    """Return a link to a section, by its own title."""
    path, _, anchor = page.partition("#")
    return (
        f"[]({path}.md#{anchor})" if path and anchor else f"[]({page if anchor else f'{path}.md'})"
    )


def _told(note: int, steps: list[Step]) -> str:
    """Return which steps of which traces, a form at a time."""
    forms = dict.fromkeys(step.form for step in steps)
    by_form = []
    for form in forms:
        told = dict.fromkeys(f"{step.id} {ROLES[step.role]}" for step in steps if step.form == form)
        by_form.append(f"`{NOTATIONS[note]}`, form `{form}`: {', '.join(told)}")
    return "; ".join(by_form)


def _reread(app, env, added, changed, removed):
    """Read the page anew when the list changed."""
    files = sorted((Path(__file__).parent / "covered").glob("*.py"))
    state = [file.read_text(encoding="utf-8") for file in files]
    before, env.backpass_covered = getattr(env, "backpass_covered", None), state
    return [] if before == state else ["notes/coverage"]


def setup(app):
    app.add_directive("coverage", Coverage)
    app.connect("env-get-outdated", _reread)
    return {"parallel_read_safe": True, "env_version": 1}
