"""The directive ``trace``: a trace of one of the examples, made while the page is built.

```
:::{trace} small
:notation: error
:only: F1 F2
:layer: 1
:::
```

Without ``only`` the whole trace is shown, with its pictures; with ``:picture:`` the network alone.
"""

from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive, directives

from backpass.derivatives import pages
from backpass.derivatives.tracing import example, trace
from backpass.derivatives.tracing.to_html import html_excerpt

__all__ = ["setup"]


class TraceDirective(Directive):
    """Shows a trace as MathML."""

    required_arguments = 1
    option_spec: ClassVar = {
        "notation": directives.unchanged_required,
        "form": directives.unchanged,
        "only": directives.unchanged,
        "layer": directives.positive_int,
        "rows": directives.positive_int,
        "picture": directives.flag,
    }

    def run(self):
        network, X, y = example(self.arguments[0])
        n = self.options.get("rows", len(X))
        seen = trace(
            network,
            X[:n],
            y[:n],
            notation=self.options["notation"],
            form=self.options.get("form", "batch"),
            layer=self.options.get("layer"),
        )
        if "picture" in self.options:
            return [framed(seen.picture())]
        wanted = self.options.get("only", "").split()
        page = html_excerpt(seen, wanted) if wanted else seen._repr_html_()
        if wanted and "<section" not in page:
            raise self.error(f"this trace has none of the equations {wanted}")
        return [nodes.raw("", page, format="html")]


def framed(svg):
    """Return a picture in the colours of the traces."""
    return nodes.raw("", pages.framed(f"<figure>{svg}</figure>"), format="html")


def setup(app):
    app.add_directive("trace", TraceDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
