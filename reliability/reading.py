"""Write random tables of known values in random conventions, and count how they are read back.

``python -m reliability.reading --tables 10000 --seed 0`` draws numbers, dates, texts and what is
missing, writes them as people and programs do (marks, separators, quoting, encodings, titles), and
reads the files. Each comes back with its values, or the doubt is named by a warning or an error: a
number, a date or a missing cell that is read as another without a word is a *silent difference*.
*Told* are the tables that show their own convention, by a decimal comma with two digits after it
or a day after the 12th. Then models are fitted on such files, and read one to three rows in the
same convention, and in another. The smallest table of each sort of fault goes to ``--findings``.

With ``--json FILE`` the counts go to a file for ``python -m reliability.report``.
"""

import multiprocessing
import os
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from reliability.report import arguments, program

sys.path.append(str(Path(__file__).parent.parent / "tests"))  # the tests draw the same tables
from reliability._read_again import LEFT_OUT, reads_like_training

from written_tables import (
    CRASH,
    DOUBT,
    EQUAL,
    MISREAD,
    OUTCOMES,
    SILENT,
    Written,
    drawn,
    judge,
    shrunk,
)

FAULTS = (MISREAD, SILENT, CRASH)
SHARE = 250  # tables that a process reads in one go
MODELS = "models reading on in their convention", "models reading on in another"
WHOLE = "all tables", *MODELS  # the rest counts the same again


@dataclass
class Counts:
    """Tables, or columns, by what they are like, whether they are told, and what came of them."""

    of: Counter[tuple[str, bool, str]] = field(default_factory=Counter)
    found: dict[str, tuple[str, Written]] = field(default_factory=dict)  # by sort: why, and where
    said: list[str] = field(default_factory=list)  # of the faults of models

    def add(self, other: "Counts") -> None:
        """Add what another process has counted."""
        self.of += other.of
        self.said += other.said
        for sort, (why, table) in other.found.items():
            self.keep(sort, why, table)

    def keep(self, sort: str, why: str, table: Written) -> None:
        """Keep the shortest of its sort."""
        if sort not in self.found or len(table.data) < len(self.found[sort][1].data):
            self.found[sort] = why, table


def likeness(table: Written) -> list[str]:
    """Return the names of what a table is like, by which it is counted."""
    by, layout = table.convention, table.layout
    marks = {"": "none", " ": "blank", "\u00a0": "no-break blank", "\u202f": "narrow blank"}
    marks |= {"\t": "tab", "|": "bar"}
    encoding = "ASCII" if table.data.isascii() else layout.encoding
    extras = {
        "without anything else": not (layout.index or layout.trailing or layout.first),
        "with pandas' index": bool(layout.index),
        "with trailing separators": bool(layout.trailing),
        "with a line of sep=": layout.first.startswith("sep="),
        "with comments": layout.first.startswith("#"),
        "with a title": layout.first[:1].isalpha() and not layout.first.startswith("sep="),
        "with blank lines": layout.blank_lines,
        "with blanks around cells": bool(layout.padding),
        "of one column": len(table.columns) == 1,
        "of one to three rows": len(table.columns[0].texts) < 4,
    }
    return [
        "all tables",
        f"separator: {marks.get(layout.separator, layout.separator)}",
        f"decimal mark: {by.decimal}",
        f"thousands mark: {marks.get(by.thousands, by.thousands)}",
        f"dates: {'day' if by.day_first else 'month'} first",
        f"quoting: {layout.quoting}",
        f"encoding: {encoding}",
        *(name for name, is_so in extras.items() if is_so),
    ]


def read_tables(seed: int, first: int) -> Counts:
    """Draw and read a share of the tables; return what was seen."""
    counts = Counts()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(first, first + SHARE):
            table = drawn(Random(f"{seed}-{number}"))
            verdict = judge(table, folder)
            for name in likeness(table):
                counts.of[name, table.told, verdict.outcome] += 1
            for column in table.columns:
                kind = f"columns of {column.kind.replace('_', ' ')}"
                counts.of[kind, table.told, verdict.columns[column.name]] += 1
            if verdict.outcome in FAULTS:
                counts.keep(verdict.sort, verdict.why, table)
    return counts


def read_on(seed: int, first: int) -> Counts:
    """Fit a share of the models, and have them read on; return what was seen."""
    counts = Counts()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(first, first + SHARE):
            outcomes, faults = reads_like_training(seed, number, Path(folder))
            for name, outcome in zip(MODELS, outcomes, strict=False):
                counts.of[name, True, outcome] += outcome != LEFT_OUT
            counts.said += faults
    return counts


def simplest(found: dict[str, tuple[str, Written]], folder: Path) -> None:
    """Write the smallest table of each sort of fault into a folder, and say what it is."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("reading-*"):
        old.unlink()
    with tempfile.TemporaryDirectory() as place:
        for number, (sort, (_, table)) in enumerate(sorted(found.items())):

            def alike(other: Written, table: Written = table, sort: str = sort) -> bool:
                verdict = judge(other, place)
                alike = verdict.outcome in FAULTS and verdict.sort == sort
                return alike and other.told >= table.told

            small = shrunk(table, alike)
            why = f"{'told' if small.told else 'untold'}, {judge(small, place).why}"
            kept = folder / f"reading-{number}{small.suffix}"
            kept.write_bytes(small.data)
            kept.with_suffix(f"{small.suffix}.why").write_text(why + "\n", encoding="utf-8")
            sys.stdout.write(f"{kept}: {why}\n    {small.data[:200]!r}\n")


def figures(counts: Counts) -> dict[str, Any]:
    """Return the counts as the page names them: a row for all that is alike."""
    rows: dict[str, Any] = {}
    for name in dict.fromkeys(name for name, _, _ in sorted(counts.of, key=_order)):
        told, untold = ({o: counts.of[name, t, o] for o in OUTCOMES} for t in (True, False))
        all_of = sum(told.values()), sum(untold.values())
        rows[name] = {
            "told": all_of[0],
            "of them equal": told[EQUAL],
            "doubt named": f"{told[DOUBT]} ({told[DOUBT] / max(1, all_of[0]):.1%})",
            "not told": all_of[1],
            "of these equal": untold[EQUAL],
            "their doubt named": untold[DOUBT],
            "doubt of all": f"{(told[DOUBT] + untold[DOUBT]) / sum(all_of):.1%}",
            "faults": sum(told[o] + untold[o] for o in FAULTS),
        }
    return rows


def _order(key: tuple[str, bool, str]) -> tuple[bool, bool, str]:
    return key[0] not in WHOLE, key[0].startswith("columns"), key[0]


def counted(asked: Any) -> tuple[dict[str, Any], int]:
    """Read all tables; return what that came to, and how many faults there were."""
    os.environ["POLARS_MAX_THREADS"] = "1"  # tables are small, and the processes many
    counts = Counts()
    with multiprocessing.get_context("spawn").Pool() as pool:
        for work, number in ((read_tables, asked.tables), (read_on, asked.models)):
            for share in pool.imap_unordered(partial(work, asked.seed), range(0, number, SHARE)):
                counts.add(share)
    simplest(counts.found, asked.findings)
    sys.stdout.write("".join(f"{line}\n" for line in sorted(counts.said, key=len)[:10]))
    wrong = (n for (name, _, o), n in counts.of.items() if name in WHOLE and o in FAULTS)
    return figures(counts), sum(wrong)


def main() -> None:
    """Run from the command line."""
    parser = arguments(
        __doc__,
        tables=(10_000, "to write and read"),
        models=(2000, "to fit on such files, where they have no doubts"),
        seed=(0, "of what is drawn"),
    )
    parser.add_argument("--findings", type=Path, default=Path("build/reading"), metavar="FOLDER")
    asked = parser.parse_args()
    command = "python -m reliability.reading --tables {tables} --models {models} --seed {seed}"
    program(asked, "Tables in any convention, read back", command, counted)


if __name__ == "__main__":
    main()
