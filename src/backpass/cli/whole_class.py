"""``backpass homework --answers``: a folder of answers, and one table of what became of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backpass.cli.arguments import PAGES
from backpass.cli.interrupts import INTERRUPTED, ctrl_c
from backpass.errors import InputError
from backpass.tabular.formatting import Cell, Grid

if TYPE_CHECKING:
    from backpass.derivatives.homework import Verdict
    from backpass.derivatives.homework.whole_class import Outcome

COLUMNS = (("who", "name"), ("answer", "text"), ("how many", "number"), ("mistake", "name"))
A_FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r")


def run_class(
    folder: str, judge: Callable[[Any], Verdict], output: str | None, word: str | None
) -> int:
    """Judge every answer in a folder, show the table, and write it where that was asked for.

    `word` is for the pseudonyms that replace names, if they are to. Returns 0 where every answer
    is right, 1 where one is not.
    """
    from backpass.cli import tables as render
    from backpass.derivatives.homework.whole_class import answers_in, judged

    answers = answers_in(folder)
    outcomes: list[Outcome] = []
    interrupted = _collect(judged(answers, judge, word), len(answers), outcomes)
    if interrupted and not outcomes:
        raise KeyboardInterrupt
    if all(one.outcome == "not judged" for one in outcomes):  # an option may be wrong
        reason = f"{outcomes[0].who}: {outcomes[0].told}"
        raise InputError(f"{folder}: none of {len(outcomes)} answers can be judged; {reason}")
    view = _grid(outcomes)
    if output is not None:
        _write(view, output)
    render.output().print(render.titled_grid(view))
    if interrupted:
        sys.stderr.write(f"interrupted: {len(outcomes)} of {len(answers)} answers were judged\n")
        return INTERRUPTED
    return int(any(one.outcome != "right" for one in outcomes))


def _collect(found: Iterable[Outcome], total: int, outcomes: list[Outcome]) -> bool:
    """Add what is found to `outcomes` behind a bar; return whether Ctrl-C has ended that."""
    from backpass.cli.progress import progress_bar

    progress = progress_bar()
    bar = progress.add_task("judging", total=total, told="")
    ctrl_c.before_the_end(progress.stop)  # Ctrl-C may come at any line
    try:
        with ctrl_c.waiting():
            progress.start()
        for outcome in found:
            if ctrl_c.just_heard:  # a library has made another error of it
                return True
            outcomes.append(outcome)
            progress.update(bar, advance=1, told=f"{len(outcomes)}/{total} answers")
    except KeyboardInterrupt:
        return True
    finally:
        progress.stop()
    return False


def _grid(outcomes: list[Outcome]) -> Grid:
    """Return the table as terminal, page and file show it."""
    from backpass.derivatives.homework.whole_class import OUTCOMES, grouped

    counts = {kind: sum(one.outcome == kind for one in outcomes) for kind in OUTCOMES}
    told = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
    view = Grid(f"{len(outcomes)} answer{'s' * (len(outcomes) != 1)}: {told}", COLUMNS)
    for one, count in grouped(outcomes):
        mark = one.outcome if one.outcome in ("right", "wrong") else ""
        answer = Cell(one.outcome, mark, part=0.1)
        view.rows.append([Cell(one.who), answer, Cell(str(count)), Cell(one.told)])
    return view


def _write(view: Grid, path: str) -> None:
    if Path(path).suffix.lower() in PAGES:
        from backpass.storage.atomic_write import durable_write
        from backpass.tabular.report.charts import element
        from backpass.tabular.report.layout import section, table_of
        from backpass.tabular.report.page import whole_page

        main = element("main", section(view.title, table_of(view), wide=True))
        title = element("h1", "Homework of a class")
        durable_write(path, [whole_page("Homework of a class", title, main).encode()])
        return
    import polars as pl

    from backpass.tabular.files import write_table

    cells = zip(*([harmless(cell.text) for cell in row] for row in view.rows), strict=True)
    table = pl.DataFrame(dict(zip((head for head, _ in COLUMNS), map(list, cells), strict=True)))
    write_table([table.with_columns(pl.col("how many").cast(pl.Int64))], path)


def harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: names come from whoever hands in.

    Examples
    --------
    >>> harmless("=1+1"), harmless("Ada")
    ("'=1+1", 'Ada')
    """
    return f"'{text}" if text.startswith(A_FORMULA_BEGINS) else text
