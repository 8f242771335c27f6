"""Write the tables of ``docs/reliability.md`` from what the programs of this folder counted.

``python -m reliability.report`` reads every JSON file in ``reliability/results``; a test holds the
page to them.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import field, fields
from pathlib import Path
from typing import Any

from benchmarks._about import about

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
counts as wrong. *Told* tables show their own convention, as by `0,5` or a day after the 12th; in
the others nothing decides, and no number or date may be guessed.

What is promised: [Security](project/security.md), [Go on after a crash](how-to/resume.md).
"""


# --- what the programs share: what they are asked, what they count, how they end -----------------


def arguments(doc: str | None, **options: tuple[Any, str]) -> argparse.ArgumentParser:
    """Return a parser of ``--json FILE`` and of numbers by name, each with default and meaning.

    Its description is the first line of a program's own.
    """
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    for name, (default, meaning) in options.items():
        parser.add_argument(
            f"--{name}", type=type(default), default=default, metavar="N", help=meaning
        )
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the counts go")
    return parser


def count(words: str) -> Any:
    """Return a field of a dataclass: a count, from 0 on, that the page names by these words."""
    return field(default=0, metadata={"words": words})


def figures(counts: Any) -> dict[str, Any]:
    """Return the counts of a dataclass as the page names them, in their order."""
    named = (f for f in fields(counts) if "words" in f.metadata)
    return {f.metadata["words"]: getattr(counts, f.name) for f in named}


def program(
    asked: argparse.Namespace, title: str, command: str, counted: Callable[[Any], tuple[Any, Any]]
) -> None:
    """Count, tell what was counted, write it where that is asked for, and end the program.

    Parameters
    ----------
    title, command : str
        The heading of its section, and what to type for it: `asked` is named in braces.
    counted : callable
        From `asked` to the figures (numbers or short texts by what they count; or a dict of them
        for each row of a table, all with the same names), and whether something was broken.
    """
    machine = here()
    found, broken = counted(asked)
    sys.stdout.write("".join(f"{value!s:>6} {name}\n" for name, value in found.items()))
    if asked.json is not None:
        command = command.format_map(vars(asked))
        result = {"title": title, "command": command, "machine": machine, "figures": found}
        text = json.dumps(result, indent=1, ensure_ascii=False)
        asked.json.write_text(text + "\n", encoding="utf-8")
    raise SystemExit(1 if broken else 0)


def here() -> dict[str, Any]:
    """Return where and when something is counted; to be asked before it begins."""
    told = about()
    kept = ("date", "commit", "cpu", "cores", "system", "instruction set", "python")
    return {name: told[name] for name in kept}


# --- the page ------------------------------------------------------------------------------------


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
