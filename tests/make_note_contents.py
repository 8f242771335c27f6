"""Collect what stands in the five lecture notes: places, formulas, points, tables, figures.

The notes are not part of the repository. What their files hold by pattern is written to
``tests/fixtures/note_contents.json``, and tests/test_coverage.py holds the list of
``docs/_ext/covered`` to it::

    python tests/make_note_contents.py FOLDER_OF_THE_NOTES

A place is a heading, a slide (of its last build) or a line that opens a part. What stands there is
numbered in the order of the note: displayed formulas, points of lists, statements within a line,
terms in bold, tables, captioned figures and algorithms. What a place repeats counts once.
"""

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parent / "fixtures" / "note_contents.json"

TEXT_KEPT = 72
"""The characters of an item that are written down, to tell which it is."""

OPENINGS = {
    1: r"#+ (?P<place>.+)|\*\*(?P<part>[^*]+?):\*\*",
    2: r"#+ (?P<place>.+)|\*\*(?P<part>For [^*]+)\*\*",
    3: r"#+ (?P<place>.+)",
    5: r"(?:- )?(?P<place>Summary|For Minibatch-Gradient Descent):|(?P<part>At .+|Step \d):",
}
"""What opens a place, and a part of it, in the notes that are no slides."""

STATEMENT = r"\$[^$]*(?:=|\\in |\\mapsto|\\leftarrow|\\odot)[^$]*\$"
"""Mathematics within a line that states something; a letter alone does not."""

ALONE = {
    "figure": r"Figure \d+: .+|!\[.*\]\(.*\)",
    "table": r"Name\tFormal.*|Method\t.*|Table \d+: .+",
    "algorithm": r"Algorithm \d+: .+",
    "point": r" *(?:- (?:▶ )?|▶ |☞ )(?!\$\$)(.*\S)",
}
"""What is told by its whole line, and how the line looks."""


def of_line(line: str) -> Iterator[tuple[str, str]]:
    """Yield kind and text of what one line of a note holds; every display lies on one line."""
    formulas = re.findall(r"\$\$(.+?)\$\$", line)
    for kind, pattern in ALONE.items():
        if found := re.fullmatch(pattern, re.sub(r"\$\$.*", "", line).rstrip()):
            yield kind, found[found.lastindex or 0]
            break
    else:
        if re.search(STATEMENT, re.sub(r"\$\$.+?\$\$", "", line)):
            yield "statement", line
        yield from (("term", term) for term in re.findall(r"\*\*([^*]+)\*\*", line))
    yield from (("formula", formula) for formula in formulas)


def items(text: str) -> list[dict[str, str]]:
    """Return what stands in a piece of a note, in order; what is repeated counts once."""
    one_line = re.sub(r"\$\$(.+?)\$\$", lambda m: f"$${' '.join(m[1].split())}$$", text, flags=re.S)
    found: dict[str, dict[str, str]] = {}
    for line in one_line.splitlines():
        for kind, told in of_line(line):
            told = " ".join(told.split())
            found.setdefault(told, {"kind": kind, "text": told[:TEXT_KEPT]})
    return list(found.values())


def headed(text: str, opening: str) -> dict[str, str]:
    """Return the pieces of a note by place, or by place and part."""
    place, part, found = "", "", {}
    for line in text.splitlines(keepends=True):
        if told := re.match(opening, line):
            names = told.groupdict()
            place, part = (names["place"], "") if names["place"] else (place, names.get("part"))
        where = ", ".join(name.strip() for name in (place, part or "") if name)
        found[where] = found.get(where, "") + line
    return found


def slides(text: str) -> dict[str, str]:
    """Return the last build of every slide by its title: a short line alone, more than once."""
    alone = re.findall(r"(?<=\n\n)([A-Z][^$\t\n]{3,59}[^:.\n])\n(?=\n)", text)
    titles = {line for line in alone if alone.count(line) > 1 or line == "Summary"}
    titles -= {
        line for line in alone if line.startswith(("Input", "Using a single", "The update rule"))
    }
    found: dict[str, str] = {}
    title = ""
    for line in text.splitlines(keepends=True):
        if line.strip() in titles:
            title = line.strip()
            found[title] = ""
        elif title:
            found[title] += line
    return found


def contents(note: int, text: str) -> dict[str, list[dict[str, str]]]:
    """Return the items of a note by place."""
    pieces = slides(text) if note == 4 else headed(text, OPENINGS[note])
    return {place: items(piece) for place, piece in pieces.items() if place or items(piece)}


def of_notes(folder: Path) -> dict[str, Any]:
    """Return what the five notes of a folder hold, and which files were read."""
    found = {}
    for note in range(1, 6):
        (file,) = folder.glob(f"notes-{note}-*.md")
        raw = file.read_bytes()
        made_from = {"file": file.name, "sha256": hashlib.sha256(raw).hexdigest()}
        found[str(note)] = made_from | {"places": contents(note, raw.decode("utf-8"))}
    return found


if __name__ == "__main__":
    held = of_notes(Path(sys.argv[1]))
    TARGET.write_text(json.dumps(held, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
