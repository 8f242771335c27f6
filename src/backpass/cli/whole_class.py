"""``backpass homework --answers``: a folder of answers, and one table of what became of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backpass.cli.interrupts import INTERRUPTED, ctrl_c
from backpass.tabular.formatting import Cell, Grid

if TYPE_CHECKING:
    from backpass.derivatives.homework import Verdict
    from backpass.derivatives.homework.whole_class import Outcome

PAGES = (".html", ".htm")
SUFFIXES = (".csv", ".tsv", ".parquet", *PAGES)
HEADS = ("who", "answer", "mistake", "how many")
A_FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r")


def run_class(
    folder: str, judge: Callable[[Any], Verdict], output: str | None, word: str | None
) -> int:
    """Judge every answer in a folder, show the table, and write it where that was asked for.

    Parameters
    ----------
    folder : str
    judge : callable
        Returns the verdict on one answer.
    output : str or None
        A page or a table, by its suffix.
    word : str or None
        For the pseudonyms that replace names, if they are to.

    Returns
    -------
    int
        0 where every answer is right, 1 where one is not.
    """
    from backpass.cli import tables as render
    from backpass.derivatives.homework.whole_class import answers_in, grouped, judged

    answers = answers_in(folder)
    outcomes: list[Outcome] = []
    interrupted = _collect(judged(answers, judge, word), len(answers), outcomes)
    if interrupted and not outcomes:
        raise KeyboardInterrupt
    view = _grid(grouped(outcomes))
    if output is not None:
        _write(view, output)
    render.output().print(render.titled_grid(view))
    if interrupted:
        sys.stderr.write(f"interrupted: {len(outcomes)} of {len(answers)} answers were judged\n")
        return INTERRUPTED
    return int(any(one.outcome != "right" for one in outcomes))


def _collect(found: Any, total: int, outcomes: list[Outcome]) -> bool:
    """Add what is found to `outcomes` behind a bar; return whether Ctrl-C has ended that."""
    from backpass.cli.progress import progress_bar

    progress = progress_bar()
    bar = progress.add_task("judging", total=total, told="")
    ctrl_c.before_the_end(progress.stop)  # Ctrl-C may come at any line
    try:
        try:
            with ctrl_c.waiting():
                progress.start()
            for outcome in found:
                if ctrl_c.just_heard:  # a library has made another error of it
                    raise KeyboardInterrupt
                outcomes.append(outcome)
                progress.update(bar, advance=1, told=f"{len(outcomes)}/{total} answers")
        finally:
            with ctrl_c.waiting():
                progress.stop()
    except KeyboardInterrupt:
        return True
    return False


def _grid(found: Sequence[tuple[Outcome, int]]) -> Grid:
    """Return the table as terminal, page and file show it."""
    of = {kind: [one for one, _ in found if one.outcome == kind] for kind in _KINDS}
    counts = ", ".join(f"{len(ones)} {kind}" for kind, ones in of.items() if ones)
    title = f"{len(found)} answer{'s' * (len(found) != 1)}: {counts}"
    kinds = zip(HEADS, ("name", "text", "name", "number"), strict=True)
    rows = [
        [
            Cell(one.who),
            Cell(one.outcome, _KINDS[one.outcome], part=0.1),
            Cell(one.told),
            Cell(str(count)),
        ]
        for one, count in found
    ]
    return Grid(title, [*kinds], rows)


_KINDS = {"right": "right", "wrong": "wrong", "not judged": ""}
"""Every outcome, and how its cell is marked."""


def _write(view: Grid, path: str) -> None:
    if Path(path).suffix.lower() in PAGES:
        from backpass.storage.atomic_write import durable_write
        from backpass.tabular.report.charts import element
        from backpass.tabular.report.layout import section, table_of
        from backpass.tabular.report.page import whole_page

        head = element("header", element("p", "backpass homework", class_="dim"))
        main = element("main", section(view.title, table_of(view), wide=True))
        durable_write(path, [whole_page("Homework of a class", head, main).encode()])
        return
    import polars as pl

    from backpass.tabular.files import write_table

    columns = zip(HEADS, zip(*view.rows, strict=True), strict=True)
    texts = {head: [harmless(cell.text) for cell in column] for head, column in columns}
    counts = pl.col(HEADS[-1]).cast(pl.Int64)
    write_table(pl.DataFrame(texts).with_columns(counts), path)


def harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: names come from whoever hands in.

    Examples
    --------
    >>> harmless("=1+1"), harmless("Ada")
    ("'=1+1", 'Ada')
    """
    return f"'{text}" if text.startswith(A_FORMULA_BEGINS) else text
