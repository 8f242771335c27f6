"""How names, numbers and times are written, in the terminal and on the page alike."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = [
    "STOPPED",
    "baseline_name",
    "clock",
    "column_heads",
    "count",
    "metric",
    "number",
    "one_line",
    "seconds",
    "share",
    "short_name",
]

STOPPED = {
    "max_epochs": "all epochs done",
    "converged": "no better since",
    "time_limit": "time limit",
    "interrupted": "interrupted",
    "callback": "stopped by the caller",
}
"""Why training ended, by `History.stop_reason`."""


def one_line(text: object) -> str:
    r"""Return a text on one line, with control characters written out.

    Column names come from files: a terminal must not obey what they hold.

    Examples
    --------
    >>> print(one_line("two\nlines and \x1b[31mred"))
    two lines and \x1b[31mred
    """
    joined = " ".join(str(text).split("\n"))
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in joined)


def number(value: float) -> str:
    """Return a number with about four digits.

    Examples
    --------
    >>> [number(x) for x in (1234567.8, 12345.6, 12.3456, 0.000123, 0, float("nan"))]
    ['1.235e+06', '12346', '12.35', '0.000123', '0', '–']
    """
    if math.isnan(value):
        return "–"
    return f"{value:.0f}" if 1e3 <= abs(value) < 1e6 else f"{value:.4g}"


def metric(name: str, value: float) -> str:
    """Return a metric: those around 1 with four decimals, for their columns to line up."""
    if name in ("RMSE", "MAE") or abs(value) >= 100 or math.isnan(value):
        return number(value)
    return f"{round(value, 4) + 0.0:.4f}"  # + 0 makes −0 positive


def short_name(name: str) -> str:
    """Return a metric's name as the head of a narrow column."""
    return {"balanced accuracy": "balanced"}.get(name, name)


def baseline_name(name: str, task: str) -> str:
    """Return a baseline's name for one task."""
    trivial = "majority class" if task == "classification" else "mean"
    return trivial if name == "majority class or mean" else name


def count(value: int) -> str:
    """Return a count with commas between thousands.

    Examples
    --------
    >>> count(61395)
    '61,395'
    """
    return f"{value:,}" if abs(value) >= 10_000 else str(value)


def column_heads(names: Sequence[str], width: int) -> tuple[list[str], list[str]]:
    """Return the heads of a matrix's rows and columns: numbers, where names are too wide.

    Examples
    --------
    >>> column_heads(["no", "yes"], 5)
    (['no', 'yes'], ['no', 'yes'])
    >>> column_heads(["medical", "major"], 5)
    (['1 medical', '2 major'], ['1', '2'])
    """
    plain = [one_line(name) for name in names]
    if max(map(len, plain)) <= width:
        return plain, plain
    numbers = [str(i) for i in range(1, len(plain) + 1)]
    return [f"{i} {name}" for i, name in zip(numbers, plain, strict=True)], numbers


def share(part: float, whole: float) -> str:
    """Return a part as a percentage.

    Examples
    --------
    >>> share(1, 3), share(0, 0)
    ('33.3%', '–')
    """
    return f"{part / whole:.1%}" if whole else "–"


def seconds(value: float) -> str:
    """Return a duration.

    Examples
    --------
    >>> seconds(0.034), seconds(3.21), seconds(200)
    ('0.03 s', '3.2 s', '200 s')
    """
    digits = 2 if value < 1 else 1 if value < 100 else 0
    return f"{value:.{digits}f} s"


def clock(value: float) -> str:
    """Return a duration as minutes and seconds.

    Examples
    --------
    >>> clock(7.2), clock(3725)
    ('0:07', '1:02:05')
    """
    minutes, rest = divmod(int(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
