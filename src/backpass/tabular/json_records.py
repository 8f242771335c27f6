"""Records of JSON, one a line or in a list, become a polars frame without losing a value.

polars reads JSON, too, and up to some versions makes null of what does not have the type of its
column: text among numbers, and whole numbers beyond 64 bits.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Any

from backpass.errors import TableError

if TYPE_CHECKING:
    import polars as pl

_BLANKS = re.compile(r"\s*")
_REMEDY = (
    "write a list of records, or one a line, as pandas' to_json(FILE, orient='records', "
    "lines=True) does"
)


def parse_json(text: bytes, label: str) -> pl.DataFrame | None:
    r"""Parse records such as ``{"size": 1, "city": "Bonn"}``.

    Parameters
    ----------
    text : bytes
        UTF-8: records one after the other, or in a list.
    label : str
        What to call the text in messages, as a rule the file's name.

    Returns
    -------
    polars.DataFrame or None
        The columns in the order in which they first appear, null where a record lacks one.
        Numbers, booleans and text where all values of a column are; a column of several kinds is
        text. None where the text is not JSON.

    Raises
    ------
    TableError
        If the JSON is damaged, names a column twice in a record, or is something else than
        records.

    Examples
    --------
    >>> parse_json(b'{"size": 1}\n{"size": 2.5, "day": "2020-02-29"}', "flats.jsonl").rows()
    [(1.0, None), (2.5, '2020-02-29')]
    """
    if not re.match(rb'\s*(\{\s*["}]|\[)', text):
        return None
    records = _records(text.decode(), label)
    if records is None:
        return None
    import polars as pl

    names = dict.fromkeys(chain.from_iterable(records))
    columns = {name: [record.get(name) for record in records] for name in names}
    kinds = {name: set(map(type, values)) - {type(None)} for name, values in columns.items()}
    # 1.50 and 1e3 stay as they are written
    spelled = {
        name for name, found in kinds.items() if not found & {list, dict} and not _one_kind(found)
    }
    texts = _records(text.decode(), label, parse_int=str, parse_float=str) if spelled else None
    for name in spelled:
        columns[name] = [_text(record.get(name)) for record in texts or []]
        kinds[name] = set()
    # a mapping, since a list of series makes column_0 of the name ''
    return pl.DataFrame({n: _column(n, values, kinds[n]) for n, values in columns.items()})


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def _one_kind(found: set[type]) -> bool:
    return len(found) < 2 or found == {int, float}


def _column(name: str, values: list[Any], found: set[type]) -> pl.Series:
    import polars as pl

    if found & {list, dict}:
        with contextlib.suppress(TypeError, OverflowError, pl.exceptions.PolarsError):
            nested = pl.Series(name, values, strict=True)
            if nested.to_list() == values:  # it leaves out fields that the first record has not
                return nested
        lists = [None if value is None else [json.dumps(value)] for value in values]
        return pl.Series(name, lists, pl.List(pl.String))
    if found == {int}:
        with contextlib.suppress(OverflowError, TypeError):
            return pl.Series(name, values, pl.Int64)
    if found == {float}:
        return pl.Series(name, values, pl.Float64)
    if found and found <= {int, float}:  # float(10**400) would raise
        floats = [None if value is None else float(str(value)) for value in values]
        return pl.Series(name, floats, pl.Float64)
    return pl.Series(name, values, pl.Boolean if found == {bool} else pl.String)


def _records(text: str, label: str, **numbers: Any) -> list[dict[str, Any]] | None:
    """Return the records, or None where the text is not JSON after all."""

    def record(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        named = dict(pairs)
        if len(named) < len(pairs):
            twice = next(name for name, n in Counter(name for name, _ in pairs).items() if n > 1)
            raise TableError(f"{label}: a record names {twice!r} twice; rename one")
        return named

    decoder = json.JSONDecoder(
        object_pairs_hook=record,
        # NaN is what Python writes for a missing number
        parse_constant=lambda name: None if name == "NaN" else float(name),
        **numbers,
    )
    found: list[Any] = []
    sure = re.match(r"\s*(\{|\[\s*\{)", text)
    at = _blanks(text, 0)
    try:
        while at < len(text):
            if found and not sure and text[at] != "[":
                return None  # [1],[2]: the header of delimited text
            value, at = decoder.raw_decode(text, at)
            found.append(value)
            at = _blanks(text, at)
    except json.JSONDecodeError as error:
        if not found and not sure:
            return None
        raise TableError(
            f"{label}, line {error.lineno}: damaged JSON: {error.msg}; mend it, or {_REMEDY}"
        ) from None
    except (RecursionError, ValueError) as error:  # too deep, or a number of 4300 digits
        if isinstance(error, TableError):
            raise
        raise TableError(f"{label}: JSON nested too deeply, or too long a number") from None
    if len(found) == 1 and isinstance(found[0], list):
        found = found[0]
    elif len(found) == 1 and _is_wrapper(found[0]):
        raise TableError(f"{label}: a JSON object of columns, or around its records; {_REMEDY}")
    if not all(isinstance(value, dict) for value in found):
        raise TableError(f"{label}: JSON that is no list of records; {_REMEDY}")
    return found


def _is_wrapper(record: Any) -> bool:
    values = list(record.values()) if isinstance(record, dict) else []
    records = any(isinstance(v, list) and v and isinstance(v[0], dict) for v in values)
    return records or (bool(values) and all(isinstance(value, list | dict) for value in values))


def _blanks(text: str, at: int) -> int:
    """Return where the blanks end that begin at a place."""
    return _BLANKS.match(text, at).end()  # type: ignore[union-attr]
