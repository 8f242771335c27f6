"""The directive ``coverage``: a note's formulas, definitions and figures, and where each is here.

``{coverage} 1`` makes the table of note 1 from the list in ``covered``.
"""

from pathlib import Path

from covered import COVERED
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
    """Shows one note's rows, under the place in the note."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        shown = table(["in the note", "here"], [], [52, 48], "equations", "coverage")
        body = shown.next_node(nodes.tbody)
        for place, rows in COVERED[directives.positive_int(self.arguments[0])].items():
            title = self._cell(f"**{place}**" if place else "Its list of symbols")
            body += nodes.row("", nodes.entry("", *title, morecols=1))
            body += [
                nodes.row("", nodes.entry("", *self._cell(row.title)), self._here(row))
                for row in rows
            ]
        return [shown]

    def _cell(self, markdown: str) -> list[nodes.Node]:
        """Return a piece of Markdown, with its formulas and links."""
        holder = nodes.container()
        self.state.nested_parse(StringList([markdown], source="covered"), 0, holder)
        return holder.children

    def _here(self, row: Row) -> nodes.entry:
        told = [f"Not here, because it is {row.absent}:"] if row.absent else []
        told += ["; ".join(map(_link, row.page.split()))]
        told += [_steps(list(row.shown()))] if row.steps else []
        told += [", ".join(f"{{py:obj}}`~backpass.{name}`" for name in row.functions.split())]
        return nodes.entry("", *(node for text in told if text for node in self._cell(text)))


def _link(page: str) -> str:
    """Return a link to a page, or a section, by its own title."""
    path, _, anchor = page.partition("#")
    file = f"{path}.md" if path else ""
    return f"[]({file}#{anchor})" if anchor else f"[]({file})"


def _steps(steps: list[Step]) -> str:
    """Return which steps of which traces, a form and then a role at a time."""
    forms = []
    for form in dict.fromkeys(step.form for step in steps):
        ids: dict[str, dict[str, None]] = {}
        for step in steps:
            if step.form == form:
                ids.setdefault(step.role, {})[step.id] = None
        told = (f"{', '.join(named)} {ROLES[role]}" for role, named in ids.items())
        forms.append(f"form `{form}`: {', '.join(told)}")
    return f"trace, {'; '.join(forms)}"


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
