"""Write the tables of ``docs/reliability.md`` from what the programs of this folder counted.

``python -m reliability.report`` reads every JSON file in ``reliability/results``; a test holds the
page to them.
"""

import json
from pathlib import Path
from typing import Any

from benchmarks._about import about

__all__ = ["PAGE", "RESULTS", "here", "page", "write_result"]

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "reliability" / "results"
PAGE = ROOT / "docs" / "reliability.md"
HEAD = """\
# Reliability, counted

What was done to backpass, and what broke. Each section is written by `python -m reliability.report`
from the result of the program that it names. The programs stand in a clone of the repository and
are run from its root, with backpass installed; most take minutes, `--help` says what makes them
shorter. A plus behind a commit: other files had changes that were not committed yet. The machine
did other work at the same time.

*Refused for* names the layer of a reader that turned a hostile input down: the share that got
beyond the checksum shows how deep the inputs reach. *Different outcomes* are messages that differ
in more than the input they quote. *Engines that stopped at different steps*: where numbers leave
the range, the two engines' last digits, which may differ, decide in which step; more than that
counts as wrong.

What is promised: [Security](project/security.md), [Go on after a crash](how-to/resume.md).
"""


def here() -> dict[str, Any]:
    """Return where and when something is counted; to be asked before it begins."""
    told = about()
    kept = ("date", "commit", "cpu", "cores", "system", "instruction set", "python")
    return {name: told[name] for name in kept}


def write_result(
    path: Path, title: str, command: str, machine: dict[str, Any], figures: dict[str, Any]
) -> None:
    """Write what a program counted, with where and when.

    Parameters
    ----------
    path : Path
    title, command : str
        The heading of its section, and what to type for it.
    machine : dict
        As `here` told it.
    figures : dict
        Numbers or short texts, by what they count; or a dict of them for each row of a table,
        all with the same names.
    """
    result = {"title": title, "command": command, "machine": machine, "figures": figures}
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def page(results: Path = RESULTS) -> str:
    """Return the page that the files in a folder make."""
    parts = [HEAD]
    for path in sorted(results.glob("*.json")):
        parts.append(section(json.loads(path.read_text(encoding="utf-8"))))
    return "\n".join(parts)


def section(result: dict[str, Any]) -> str:
    """Return the section of one result."""
    m = result["machine"]
    lines = [
        f"## {result['title']}",
        "",
        f"`{result['command']}`, {m['date']}, commit {m['commit']}, {m['cores']} cores "
        f"of {m['cpu']}, {m['system']}, {m['instruction set']}, Python {m['python']}.",
        "",
        *table(result["figures"]),
        "",
    ]
    return "\n".join(lines)


def table(figures: dict[str, Any]) -> list[str]:
    """Return the lines of a table: a figure a row, or a row of figures for each name."""
    rows = {name: row if isinstance(row, dict) else {"": row} for name, row in figures.items()}
    heads = next(iter(rows.values()))
    cells = [["", *heads], *([name, *row.values()] for name, row in rows.items())]
    cells.insert(1, ["---", *["---:"] * len(heads)])
    return ["| " + " | ".join(map(str, line)) + " |" for line in cells]


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
