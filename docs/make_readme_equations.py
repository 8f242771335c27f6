"""Write README's table of equations from their records, between its markers."""

import pathlib
import re

from backpass.core.equations import EQUATIONS

README = pathlib.Path(__file__).parent.parent / "README.md"


def table() -> str:
    """Return the equations as a Markdown table."""
    rows = [
        f"| {e.id} | `{e.code}` | {e.title} | {e.shapes.replace('|', chr(92) + '|')} |"
        for e in EQUATIONS.values()
    ]
    return "\n".join(["| | equation | what it is | shapes |", "|---|---|---|---|", *rows])


if __name__ == "__main__":
    text = README.read_text(encoding="utf-8")
    text = re.sub(
        r"(<!-- equations: begin -->\n).*?(<!-- equations: end -->)",
        lambda m: m.group(1) + table() + "\n" + m.group(2),
        text,
        flags=re.DOTALL,
    )
    README.write_text(text, encoding="utf-8")
