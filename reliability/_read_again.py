"""A model fitted on a file reads one to three more rows, in the convention of training or another.

In the same one, what it makes of them is what it makes of the values, however little the few cells
tell. In another one they are read right, refused, or named by a warning: never silently different.
"""

import re
import warnings
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import polars as pl

from backpass import TabularModel
from backpass.errors import TableError, TableWarning
from backpass.tabular.recipe import Recipe
from written_columns import NUMBERS, Column, Convention, Plan, bare
from written_tables import (
    CRASH,
    DOUBT,
    EQUAL,
    MISREAD,
    SILENT,
    columns_of,
    drawn_convention,
    drawn_layout,
    drawn_plans,
    judge,
    readable,
    rendered,
    written,
)

RECIPE = Recipe(epochs=1, hidden_layer_sizes=(4,))
LEFT_OUT = "left out"


def reads_like_training(seed: int, number: int, folder: Path) -> tuple[list[str], list[str]]:
    """Fit a model on a drawn file, and read rows in its convention and in another.

    Returns
    -------
    outcomes : list of str
        For the convention of training, and for another; empty where training has doubts.
    faults : list of str
        What differed, and in which files.
    """
    rng = Random(f"again {seed}-{number}")
    by, separator = drawn_convention(rng)
    train, more = rng.randint(30, 80), rng.randint(1, 3)
    useful = ("known", "whole"), ("target", "category")  # without them a fit may have to refuse
    plans = drawn_plans(rng, rng.randint(1, 5))
    plans += [Plan(name, kind, rng.getrandbits(40), 0) for name, kind in useful]
    layout = drawn_layout(rng, separator, train, len(plans))
    columns = columns_of(plans, by, train + more)
    table = written([c.rows(range(train)) for c in columns], by, layout)
    later = range(train, train + more)
    if table is None or not table.told or judge(table, folder).outcome != EQUAL:
        return [], []
    if any(c.kind != d.kind for c, d in zip(columns, table.columns, strict=True)):
        return [], []  # codes of which only the later ones have a zero in front
    path = Path(folder, f"table{table.suffix}")
    try:
        with warnings.catch_warnings(action="ignore"):
            model = TabularModel.fit(path, "target", recipe=RECIPE, seed=0)
    except TableError as error:
        return [MISREAD], [f"no fit: {error}; on {table.data[:200]!r}"]
    other = replace(drawn_convention(rng)[0], missing=by.missing)
    outcomes, faults = [], []
    for new in (by, other):
        cells = [c.rows(later) for c in columns_of(plans, new, train + more)]
        plain = replace(layout, index=layout.index[:more], encoding="utf-8")
        if not readable(cells, plain):
            outcomes.append(LEFT_OUT)
            continue
        path = path.with_stem("later")
        path.write_bytes(rendered(cells, plain))
        outcome, why = _judged(model, path, cells, by, strict=new is by)
        if new is by and outcome == DOUBT:
            outcome = MISREAD  # training has settled it
        outcomes.append(outcome)
        if outcome not in (EQUAL, DOUBT):
            faults.append(f"{why}; trained on {table.data[:200]!r}; then {path.read_bytes()!r}")
    return outcomes, faults


def _judged(
    model: Any, path: Path, cells: list[Column], by: Convention, strict: bool
) -> tuple[str, str]:
    """Return what came of reading a file for a model, and what differed."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            got = model.encoder.transform(model.read(path).frame)
        except TableError as error:
            return DOUBT, f"refused: {error}"
        except Exception as error:
            return CRASH, repr(error)
    with warnings.catch_warnings(action="ignore"):
        meant = model.encoder.transform(pl.DataFrame([_typed(column) for column in cells]))
    if got.shape != meant.shape:
        return SILENT, f"{len(got)} of {len(meant)} rows"
    said = [str(w.message) for w in caught if issubclass(w.category, TableWarning)]
    silent, named = [], []
    outputs = [c.name for c in model.encoder.columns_ for _ in c.outputs]
    equal = (got == meant).all(axis=0)
    differ = {name for name, same in zip(outputs, equal, strict=True) if not same}
    for column in cells:
        if column.name in differ and (strict or not _follows(column, by)):
            told = any(repr(column.name) in line for line in said)
            (named if told else silent).append(f"{column.kind} {column.name!r} {column.texts}")
    if silent:
        return SILENT, silent[0]
    return (DOUBT, named[0]) if named else (EQUAL, "")


def _typed(column: Column) -> pl.Series:
    """Return the values of a column as polars holds them."""
    values = [
        v.astimezone(UTC) if isinstance(v, datetime) and v.tzinfo else v for v in column.truths
    ]
    return pl.Series(column.name, values, strict=False)


def _follows(column: Column, by: Convention) -> bool:
    """Whether every cell is also right in the convention of training, where it means another."""
    known = [(t, v) for t, v in zip(column.texts, column.truths, strict=True) if v is not None]
    if column.kind in NUMBERS:  # training with no thousands mark leaves open which one it has
        marks = by.thousands or ",. '\u00a0\u202f".replace(by.decimal, "")
        number = f"([0-9]+|[0-9]{{1,3}}([{marks}][0-9]{{3}})+)([{by.decimal}][0-9]+)?"
        return all(re.fullmatch(number, bare(text)) for text, _ in known)
    if column.kind in ("dates", "clocked"):
        return all(value.day <= 12 for _, value in known)
    return column.kind == "two_digit_years"
