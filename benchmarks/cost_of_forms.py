"""Time and multiplications of one gradient in every form, and by finite differences.

``python -m benchmarks.cost_of_forms`` measures on this machine (some minutes), and rewrites the
tables in ``docs/cost-of-the-gradient.md`` and the picture beside it. NumPy, float64.
"""

import datetime
import os
import platform
import re
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from backpass.core import backprop
from backpass.core.parameters import Model, Parameters, parameter_count
from backpass.derivatives import forms

PAGE = Path(__file__).parent.parent / "docs" / "cost-of-the-gradient.md"
PICTURE = PAGE.parent / "images" / "cost-of-the-gradient.svg"
NETWORKS = [(n, 2 * n, 2 * n, n // 2) for n in (4, 8, 16, 32, 64)]
N_SAMPLES = 32
N_ROUNDS = 4

INK = "#767676"  # 4.5:1 on white and 4.6:1 on black: readable on both
# Okabe and Ito's colour-blind-safe colours of at least 3:1 on both, and a dark yellow
STYLES = {
    "finite_differences": ("finite differences", "#D55E00", "s", "-"),
    "jacobian": ("product of Jacobians", "#CC79A7", "D", "-"),
    "per_parameter": ("one parameter at a time", "#8C6D1F", "^", "--"),
    "recursion": ("recursion in b", "#009E73", "v", "-"),
    "per_sample": ("one sample at a time", "#767676", "P", "--"),
    "batch": ("backpropagation, a batch", "#0072B2", "o", "-"),
}


def make_case(sizes: Sequence[int]) -> tuple[Model, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    theta = Parameters(sizes, rng.normal(size=parameter_count(sizes)) / np.sqrt(max(sizes)))
    hidden = ["tanh"] * (len(sizes) - 2)
    model = Model.from_specs(theta, [*hidden, "identity"], "squared_error")
    X = rng.normal(size=(N_SAMPLES, sizes[0]))
    return model, X, rng.normal(size=(N_SAMPLES, sizes[-1])), np.ones(N_SAMPLES)


def best_time(run: Callable[[], Any], budget: float = 0.5) -> float:
    """Return the shortest time of repeated runs in seconds; noise only ever adds."""
    times: list[float] = []
    while sum(times) < budget and len(times) < 1000:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def measure(sizes: Sequence[int]) -> dict[str, float]:
    """Return seconds of one gradient by form, and of one forward pass."""
    case = make_case(sizes)
    runs: dict[str, Callable[[], Any]] = {"forward": partial(backprop.forward, *case[:2])}
    runs.update({name: partial(getattr(forms, name), *case) for name in STYLES})
    return {name: best_time(run) for name, run in runs.items()}


def measure_all() -> list[dict[str, float]]:
    # in rounds, so that a busy minute of the machine does not hit one network or form alone
    with threadpool_limits(1):  # threads that wait for each other would be timed, not the forms
        rounds = [[measure(sizes) for sizes in NETWORKS] for _ in range(N_ROUNDS)]
    return [
        {name: min(row[name] for row in same) for name in same[0]}
        for same in zip(*rounds, strict=True)
    ]


def count(sizes: Sequence[int]) -> dict[str, float]:
    """Return multiplications of one gradient by form, in forward passes."""
    forward = N_SAMPLES * sum(a * b for a, b in pairwise(sizes))
    counts = forms.multiplications(sizes, N_SAMPLES)
    return {"forward": 1.0, **{name: counts[name] / forward for name in STYLES}}


def machine() -> str:
    """Say what this was measured on, without names or paths."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", info.read_text()) if info.exists() else None
    cpu = found[1].strip() if found else platform.machine()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores, {cpu}, Python {platform.python_version()}, NumPy {np.__version__}"


def shown(value: float) -> str:
    """Return three significant digits, thousands set apart, without an exponent."""
    digits = max(0, 2 - int(np.floor(np.log10(value))))
    return f"{value:,.{digits}f}".replace(",", " ")


def table(rows: list[dict[str, float]], unit: float) -> list[str]:
    names = ["forward", *reversed(STYLES)]
    titles = ["forward pass", *(STYLES[name][0] for name in names[1:])]
    lines = [f"| network | parameters | {' | '.join(titles)} |", "|---" + "|---:" * 8 + "|"]
    for sizes, row in zip(NETWORKS, rows, strict=True):
        cells = "-".join(map(str, sizes)), f"{parameter_count(sizes):,}".replace(",", " ")
        lines.append(f"| {' | '.join((*cells, *(shown(row[name] / unit) for name in names)))} |")
    return lines


def write_page(seconds: list[dict[str, float]], counts: list[dict[str, float]]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    date = datetime.datetime.now(tz=datetime.UTC).date()
    how = f"{machine()}; {date}; one thread, best of repeated runs, {N_SAMPLES} samples, float64."
    tables = {
        "counts": table(counts, 1.0),
        "times": [*table(seconds, 1e-3), "", f"Measured on {how}"],
    }
    for name, lines in tables.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, rest = text.split(begin)
        text = "\n".join((before + begin, "", *lines, "", end + rest.split(end)[1]))
    PAGE.write_text(text, encoding="utf-8")


def label_ends(axes: Any, ends: dict[str, float], gap: float) -> None:
    """Write the names at the right ends of the lines, pushed at least `gap` decades apart."""
    names = sorted(ends, key=ends.__getitem__)
    heights = np.log10([ends[name] for name in names])
    for _ in range(200):
        overlap = np.maximum(0, gap - np.diff(heights)) / 2
        heights[:-1] -= overlap
        heights[1:] += overlap
    for name, height in zip(names, heights, strict=True):
        label, colour = STYLES[name][:2]
        end = (parameter_count(NETWORKS[-1]), 10**height)
        offset = {"xytext": (9, 0), "textcoords": "offset points"}
        axes.annotate(label, end, va="center", color=colour, annotation_clip=False, **offset)


def draw(seconds: list[dict[str, float]], counts: list[dict[str, float]]) -> Figure:
    mpl.rcParams.update({"svg.hashsalt": "backpass", "font.size": 10, "text.color": INK})
    mpl.rcParams.update({"axes.edgecolor": INK, "axes.labelcolor": INK})
    mpl.rcParams.update({"xtick.color": INK, "ytick.color": INK})
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    P = [parameter_count(sizes) for sizes in NETWORKS]
    panels = (
        (seconds, 1e-3, "time of one gradient, ms"),
        (counts, 1, "multiplications, in forward passes"),
    )
    for axes, (rows, unit, title) in zip(figure.subplots(1, 2), panels, strict=True):
        for name, (_, colour, marker, line) in STYLES.items():
            values = [row[name] / unit for row in rows]
            axes.loglog(
                P,
                values,
                line,
                color=colour,
                marker=marker,
                markersize=5,
                linewidth=1.6,
                zorder=3 if line == "--" else 2,
            )
        axes.set_ylim(bottom=1 if rows is counts else None)  # 1 is the forward pass
        decades = np.log10(axes.get_ylim()[1] / axes.get_ylim()[0])
        label_ends(axes, {name: rows[-1][name] / unit for name in STYLES}, 0.062 * decades)
        axes.set_title(title, loc="left", fontsize=11)
        axes.set_xlabel("parameters")
        axes.grid(color=INK, alpha=0.25, linewidth=0.6)
        axes.minorticks_off()
        axes.spines[["top", "right"]].set_visible(False)
        axes.patch.set_alpha(0)
    return figure


def main() -> None:
    seconds, counts = measure_all(), [count(sizes) for sizes in NETWORKS]
    write_page(seconds, counts)
    PICTURE.parent.mkdir(exist_ok=True)
    figure = draw(seconds, counts)
    figure.savefig(PICTURE, transparent=True, metadata={"Date": None})
    for line in (*table(counts, 1.0), *table(seconds, 1e-3)):
        print(line)


if __name__ == "__main__":
    main()
