"""Write ``docs/benchmarks.md`` and the README's table of speeds from what the benchmarks measured.

``python -m benchmarks.report [RESULTS]`` reads every JSON file in the folder RESULTS (by default
``benchmarks/results``) that a program wrote with ``--json``; one program may have several files
there, of different networks. The goals are issue 3's. Every figure and every verdict is computed
here from the files; a test holds the pages to them.
"""

import argparse
import importlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import (
    _steps,
    estimators,
    prediction,
    registry,
    scaling,
    start,
    table_speed,
    training,
)
from benchmarks._common import ROOT, Config, Spread, ratios, spread, table, thousands

RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"
README = ROOT / "README.md"

TRAINING = {
    # fastest peer / ours, floor and goal; share of the machine's sgemm rate
    "30-64-64-2, batch 32, 20 000 rows": (4, 6, None),
    "64-256-256-10, batch 256, 50 000 rows": (3, 4, 0.70),
    "784-128-10, batch 64, 60 000 rows": (3, 4, 0.65),
    "784-512-512-10, batch 128, 60 000 rows": (2, 2.5, 0.75),
    "784-2048-2048-10, batch 512, 10 240 rows": (1.1, 1.3, 0.85),
}
ONE_ROW = ("30-64-64-2", 10, 5)  # microseconds: floor, goal
MANY_ROWS = {"784-512-512-10": (1, 1.2), "30-64-64-2": (1.2, 1.5)}  # onnxruntime / ours
FITS = tuple(estimators.NETWORKS)[:2]  # 1 000 x 20, 50 epochs, in both types
FIT = (5, 10)  # scikit-learn / ours
REASONS: dict[str, str] = {}
"""Why a variant of :mod:`benchmarks.registry` takes longer than it should, by its name."""

SECTIONS = {
    "training": ("Training", "benchmarks.training"),
    "steps": ("Steps of plain SGD, and what training adds to them", "benchmarks._steps"),
    "estimators": ("Estimators, the whole call", "benchmarks.estimators"),
    "prediction": ("Prediction", "benchmarks.prediction"),
    "registry": ("Activations, losses, optimisers, options", "benchmarks.registry"),
    "scaling": ("Growth, and memory", "benchmarks.scaling"),
    "start": ("Start", "benchmarks.start"),
    "table_speed": ("Tables", "benchmarks.table_speed"),
}
MACHINE = {
    "cpu": "processor",
    "cores": "cores",
    "system": "system",
    "instruction set": "instruction set of the native engine",
    "compiler": "its compiler",
    "blas": "NumPy's matrix products",
    "python": "Python",
}
README_PEERS = {
    "scikit-learn": "sklearn",
    "PyTorch eager": "torch",
    "PyTorch compiled": "compiled",
    "JAX": "jax",
}

Results = dict[str, Any]  # by program


# --- reading ---------------------------------------------------------------------------------


def load(folder: Path) -> tuple[Results, list[dict[str, Any]]]:
    """Return the results by program, and what each file says of its run.

    Raises
    ------
    SystemExit
        Where there are none, or where they are of different machines or measured twice.
    """
    results: Results = {}
    runs: list[dict[str, Any]] = []
    for file in sorted(folder.glob("*.json")):
        told = json.loads(file.read_text(encoding="utf-8"))
        if told.get("program") not in SECTIONS:
            raise SystemExit(f"{file.name} was not written by a benchmark's --json")
        found = results.setdefault(told["program"], {})
        twice = found.keys() & told["results"].keys()
        if twice:
            raise SystemExit(f"{file.name}: measured in another file too: {', '.join(twice)}")
        found |= told.pop("results")
        for key in (*MACHINE, "libraries"):
            if runs and told[key] != runs[0][key]:
                raise SystemExit(f"{file.name}: {key} is {told[key]}, elsewhere {runs[0][key]}")
        runs.append(told)
    if not runs:
        raise SystemExit(f"no results in {folder.name}/")
    order = list(SECTIONS)
    return results, sorted(runs, key=lambda run: order.index(run["program"]))


# --- goals -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verdict:
    """A goal, and how it was met.

    Parameters
    ----------
    what : str
    measured : Spread or None
        None where it was not measured.
    floor : float or None
        What must be reached.
    goal : float
        What should be.
    form : str
        Format of the numbers, with ``{}`` for one.
    most : bool
        Whether the goal is an upper bound.
    note : str
        What is measured, where that has to be said.
    """

    what: str
    measured: Spread | None
    floor: float | None
    goal: float
    form: str = "{:.2f}"
    most: bool = False
    note: str = ""

    def _reaches(self, bound: float) -> bool:
        assert self.measured is not None
        value = self.measured.median
        return value <= bound if self.most else value >= bound

    @property
    def word(self) -> str:
        """The verdict, by the median."""
        if self.measured is None:
            return "not measured"
        if self._reaches(self.goal):
            return "met"
        if self.floor is not None and self._reaches(self.floor):
            return "floor met, goal missed"
        return "missed"

    def shown(self) -> str:
        """Return what was measured as text."""
        if self.measured is None:
            return ""
        low, high = self.measured.least, self.measured.most
        text = self.form.format(self.measured.median)
        if low != high:
            text += f" ({self.form.format(low)} to {self.form.format(high)})"
        return text + (f", {self.note}" if self.note else "")

    def bound(self, number: float | None) -> str:
        """Return a bound as text, unbroken: ``"≥ 4"``."""
        if number is None:
            return ""
        form = re.sub(r":\.\df", ":g", self.form)
        text = f"{'≤' if self.most else '≥'} {form.format(number)}"
        return text.replace(" ", "\N{NO-BREAK SPACE}")

    def row(self) -> list[str]:
        """Return the goal's line of the table."""
        bounds = self.bound(self.floor), self.bound(self.goal)
        return [self.what, self.shown(), *bounds, self.word]


def verdicts(results: Results) -> Iterator[Verdict]:
    """Yield every goal of the issue with what was measured."""
    yield from _training_goals(results.get("training", {}))
    yield from _prediction_goals(results.get("prediction", {}))
    for name in FITS:
        yield _fit_goal(name, results.get("estimators", {}).get(name))
    measured = {Config.parse(k).name: (k, v) for k, v in results.get("steps", {}).items()}
    for name in _steps.LIBXSMM:
        key, seconds = measured.get(name, (None, None))
        today = _steps.libxsmm_today(Config.parse(key), seconds) if key and seconds else None
        ratio = ratios(today, seconds[_steps.BASE]) if today and seconds else None
        what = f"a step of SGD on one batch, {name}: libxsmm-dnn, scaled / ours"
        yield Verdict(what, ratio, None, 1)
    yield from _registry_goals(results.get("registry", {}).get("variants", {}))
    for kind in scaling.WIDTH:
        told, above = results.get("scaling", {}).get("memory", {}).get(kind), None
        if told:
            mega = (told["grown"] - told["state"]) / 1e6
            above = Spread(mega, mega, mega)
        what = f"memory of a fit on large rows above the network's state, {kind}"
        yield Verdict(what, above, None, scaling.LIMIT / 1e6, "{:.0f} MB", most=True)


def _training_goals(measured: Results) -> Iterator[Verdict]:
    for network, (floor, goal, share) in TRAINING.items():
        seconds, ratio, of_sgemm, note = (
            measured.get(network, {}).get("seconds", {}),
            None,
            None,
            "",
        )
        ours, peer = training.ours_among(seconds), training.fastest_peer(seconds)
        if ours and peer:
            ratio, note = ratios(seconds[peer], seconds[ours]), peer
        if ours:
            of_sgemm = training.sgemm_share(Config.parse(network), seconds, ours)
        yield Verdict(f"training {network}: fastest peer / ours", ratio, floor, goal, note=note)
        if share:
            what = f"training {network}: share of the sgemm rate"
            yield Verdict(what, of_sgemm, None, share, "{:.0%}")


def _prediction_goals(measured: Results) -> Iterator[Verdict]:
    by_name = {Config.parse(key).name: found for key, found in measured.items()}
    name, floor, goal = ONE_ROW
    one = by_name.get(name, {}).get("one", {}).get(prediction.OURS)
    micro = spread(1e6 * s for s in one) if one else None
    yield Verdict(f"`predict_one`, {name}", micro, floor, goal, "{:.1f} µs", most=True)
    for name, (floor, goal) in MANY_ROWS.items():
        many = by_name.get(name, {}).get("many", {})
        peer = _fastest(many, "onnxruntime")
        ratio = ratios(many[peer], many[prediction.OURS]) if peer else None
        what = f"predict 10 000 rows, {name}: onnxruntime / ours"
        yield Verdict(what, ratio, floor, goal, note=peer or "")


def _fit_goal(name: str, peers: dict[str, Any] | None) -> Verdict:
    index = FITS.index(name)
    kind = "float32" if index == 0 else "float64"
    what = f"`fit` on 1 000 x 20, 50 epochs, {kind}: scikit-learn / ours"
    if not peers:
        return Verdict(what, None, *FIT)
    times = {peer: m["theirs"] for peer, m in peers.items()}
    peer = _fastest(times, "scikit-learn")
    ratio = ratios(peers[peer]["theirs"], peers[peer]["ours"]) if peer else None
    return Verdict(what, ratio, *FIT, note=peer or "")


def _registry_goals(variants: dict[str, Any]) -> Iterator[Verdict]:
    slowest, lowest = None, None
    for name, measured in variants.items():
        of_base, share = registry.costs(measured)
        for dtype, ratio in of_base.items():
            if slowest is None or ratio.median > slowest[0].median:
                slowest = ratio, f"{name}, {dtype}"
        if lowest is None or share.median < lowest[0].median:
            lowest = share, name
    ratio, note = slowest or (None, "")
    what = "the slowest of all activations, losses, optimisers and options / the base"
    yield Verdict(what, ratio, None, registry.LIMIT, most=True, note=note)
    share, note = lowest or (None, "")
    what = "the lowest share of float32's rate that float64 has"
    yield Verdict(what, share, None, registry.FLOAT64, "{:.0%}", note=note)


def _fastest(seconds: dict[str, list[float]], kind: str) -> str | None:
    """Return the program whose name begins with `kind` that has the smallest median."""
    names = [name for name in seconds if name.startswith(kind)]
    return min(names, key=lambda name: spread(seconds[name]).median, default=None)


# --- losses ----------------------------------------------------------------------------------


def comparisons(results: Results) -> Iterator[tuple[str, str, Spread]]:
    """Yield everything that was compared: what, which peer, theirs / ours."""
    for network, measured in results.get("training", {}).items():
        seconds = measured["seconds"]
        ours = training.ours_among(seconds)
        for peer in (p for p in training.PEERS if p in seconds):
            yield f"training {network}", peer, ratios(seconds[peer], seconds[ours])
    for key, seconds in results.get("steps", {}).items():
        today = _steps.libxsmm_today(Config.parse(key), seconds)
        if today:
            ratio = ratios(today, seconds[_steps.BASE])
            yield f"a step of SGD on one batch, {key}", "libxsmm-dnn, scaled", ratio
    for name, peers in results.get("estimators", {}).items():
        for peer, m in peers.items():
            yield f"`fit`, {name}", peer, ratios(m["theirs"], m["ours"])
    for key, measured in results.get("prediction", {}).items():
        config = Config.parse(key)
        for kind, rows in (("many", f"{thousands(config.rows)} rows"), ("one", "one row")):
            yield from _compared_predictions(f"{config.name}, {rows}", measured[kind])
    for direction, points in results.get("scaling", {}).get("growth", {}).items():
        yield from _compared_growth(direction, points)
    seconds = results.get("start", {}).get("seconds", {})
    if start.SKLEARN in seconds and start.ESTIMATOR in seconds:
        ratio = ratios(seconds[start.SKLEARN], seconds[start.ESTIMATOR])
        yield f"`{start.ESTIMATOR}`", f"`{start.SKLEARN}`", ratio


def _compared_predictions(
    what: str, seconds: dict[str, list[float]]
) -> Iterator[tuple[str, str, Spread]]:
    estimator = "backpass predict_proba"
    for peer in seconds:
        if not peer.startswith("backpass"):
            yield (
                f"predicting {what}, network",
                peer,
                ratios(seconds[peer], seconds[prediction.OURS]),
            )
        if peer.startswith("scikit-learn") and estimator in seconds:
            ratio = ratios(seconds[peer], seconds[estimator])
            yield f"predicting {what}, estimator", peer, ratio


def _compared_growth(
    direction: str, points: list[dict[str, Any]]
) -> Iterator[tuple[str, str, Spread]]:
    by_network: dict[str, dict[str, list[float]]] = {}
    for at in points:
        by_network.setdefault(at["network"], {})[at["program"]] = at["seconds"]
    for network, programs in by_network.items():
        if {"native", "torch"} <= programs.keys():
            ratio = ratios(programs["torch"], programs["native"])
            yield f"{network} (growth: {direction})", "PyTorch eager", ratio


# --- the page --------------------------------------------------------------------------------


def how(module: str) -> str:
    """Return what a program says of how it measures: its docstring without the command."""
    text = importlib.import_module(module).__doc__ or ""
    title, *paragraphs = text.strip().split("\n\n")
    kept = [p for p in paragraphs if not p.startswith("``")]
    if title.startswith("``"):  # of a mode: what it measures is said there
        first = title.partition(": ")[2]
        kept.insert(0, first[0].upper() + first[1:])
    return re.sub(r":\w+:`([^`]+)`|``([^`]+)``", r"`\1\2`", "\n\n".join(kept))


def machine_table(runs: list[dict[str, Any]]) -> str:
    """Return the table of the machine and the versions."""
    rows = [[name, str(runs[0][key])] for key, name in MACHINE.items() if runs[0][key]]
    rows += [[library, version] for library, version in runs[0]["libraries"].items()]
    return re.sub("---:", "---", table(["", ""], rows))


def runs_table(runs: list[dict[str, Any]]) -> str:
    """Return the table of the commands that were run."""
    rows = []
    for run in runs:
        program = "training" if run["program"] == "steps" else run["program"]
        command = f"python -m benchmarks.{program} {run['options']}".strip()
        load = "" if run["load"] is None else f"{run['load']:.1f}"
        rows.append([f"`{command}`", run["date"], run["commit"], load])
    return table(["command", "date", "commit", "load average before"], rows)


def missed(results: Results) -> list[str]:
    """Return a line on each goal that was missed, and on each comparison that was lost."""
    lines = []
    for v in verdicts(results):
        if v.word in ("missed", "floor met, goal missed"):
            floor = f"floor {v.bound(v.floor)}, " if v.floor is not None else ""
            lines.append(f"- {v.word}: {v.what}: {v.shown()} ({floor}goal {v.bound(v.goal)}).")
    for name, measured in results.get("registry", {}).get("variants", {}).items():
        for flag in registry.flags(measured):
            lines.append(f"- {name}: {flag}: {REASONS.get(name, 'no reason is named')}.")
    for what, peer, ratio in comparisons(results):
        if ratio.median < 1:
            lines.append(f"- lost: {what}: {peer} takes {ratio:.2f} of our time.")
    return lines or ["Every goal that was measured was met, and no comparison was lost."]


def body(program: str, found: Results) -> str:
    """Return the tables of one program."""
    if program in ("training", "prediction"):
        module = training if program == "training" else prediction
        return "\n\n".join(module.report(Config.parse(k), m) for k, m in found.items())
    if program == "steps":
        return _steps.report({Config.parse(key): seconds for key, seconds in found.items()})
    modules = (registry, scaling, start, estimators, table_speed)
    module = {module.__name__.removeprefix("benchmarks."): module for module in modules}[program]
    return str(module.report(found))


def page(folder: Path) -> str:
    """Return ``docs/benchmarks.md`` for the results in `folder`."""
    results, runs = load(folder)
    parts = [
        "---\nhtml_theme.sidebar_secondary.remove: true\n---",
        "# Benchmarks",
        "How fast backpass is, beside other programs that do the same work. This page is written "
        "by `python -m benchmarks.report` from the files in `benchmarks/results/`; a test holds "
        "it to them. [Performance](performance.md) explains the figures.",
        "A time or ratio is the median of the rounds, with the least and the most of them in "
        "parentheses. A ratio is the peer's time over ours, taken within each round: above 1, "
        "backpass is faster. The machine has other work to do; the load average before each run "
        "is given below.",
        "## Goals",
        "The floors and goals are those set before the engine was written (issue 3). The verdict "
        "is the median's.",
        table(
            ["goal", "measured", "floor", "goal", "verdict"], [v.row() for v in verdicts(results)]
        ),
        "## Missed or lost",
        "\n".join(missed(results)),
    ]
    for program, (title, module) in SECTIONS.items():
        if program in results:
            parts += [f"## {title}", how(module), body(program, results[program])]
    parts += ["## Machine and runs", machine_table(runs), runs_table(runs)]
    return "\n\n".join(parts) + "\n"


# --- the README ------------------------------------------------------------------------------


def readme(folder: Path) -> str:
    """Return the README's table: the ratio to each peer at its better number of threads."""
    results, runs = load(folder)
    rows, measured = [], results.get("training", {})
    if not measured:
        raise SystemExit(f"no results of benchmarks.training in {folder.name}/")
    found = {name: kind for name, kind in README_PEERS.items() if _measured(measured, kind)}
    for network, told in measured.items():
        seconds = told["seconds"]
        ours, cells = training.ours_among(seconds), []
        for kind in found.values():
            names = [n for n in seconds if n in training.PEERS and training.PEERS[n].kind == kind]
            peer = min(names, key=lambda n: spread(seconds[n]).median, default=None)
            cells.append(f"{ratios(seconds[peer], seconds[ours]):.1f}" if peer else "")
        rows.append([network, *cells])
    libraries, run = runs[0]["libraries"], next(r for r in runs if r["program"] == "training")
    versions = {"scikit-learn": "scikit-learn", "torch": "PyTorch", "jax": "JAX"}
    named = [
        f"{name} {libraries[key]}"
        for key, name in versions.items()
        if any(peer.startswith(name) for peer in found)
    ]
    busy = "" if run["load"] is None else f", load average before the run {run['load']:.1f}"
    return (
        f"{table(['network', *found], rows)}\n\n"
        f"Time of the peer over ours, median (least to most): {', '.join(named)}; "
        f"{run['cores']} cores, {run['cpu']}, {run['date']}{busy}."
    )


def _measured(results: Results, kind: str) -> bool:
    names = [name for name, program in training.PEERS.items() if program.kind == kind]
    return any(name in told["seconds"] for told in results.values() for name in names)


def between_marks(text: str, name: str, filling: str) -> str:
    """Return `text` with what stands between the marks of this name replaced.

    Raises
    ------
    SystemExit
        Where there is not one pair of marks.
    """
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise SystemExit(f"not one pair of marks for {name}")
    before, after = text.split(begin)[0], text.split(end)[1]
    return f"{before}{begin}{filling}\n{end}{after}"


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("results", nargs="?", type=Path, default=RESULTS, metavar="RESULTS")
    told = options.parse_args()
    PAGE.write_text(page(told.results), encoding="utf-8")
    text = README.read_text(encoding="utf-8")
    README.write_text(between_marks(text, "speed", readme(told.results)), encoding="utf-8")


if __name__ == "__main__":
    main()
