"""How good packs are on tables that nothing was chosen by, beside other programs.

``python -m benchmarks.tables run [--list third] [--models …] [--splits 3]`` fits every model on
every table of a list of ``_judged_tables.py`` and appends a line a fit to a file of that name in
``benchmarks/table_results``; what is there is not fitted again, and a fit that takes longer than
ten minutes is ended and counted as last. ``… page`` prints ranks, shares of tables won, seconds,
calibration and coverage from that file. The peers' packages are installed by hand.

Rows without a target are left out, three quarters of the rows are trained on; what else is prepared
for whom stands in ``_table_models.py``. Seconds are of fit and predictions, of a process that has
fitted the model on a few rows before, so that nobody's imports are counted.
"""

import argparse
import csv
import math
import multiprocessing
import statistics
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks._about import write_json
from benchmarks._common import table as text_table
from benchmarks._judged_tables import LISTS, SHORT, Table, load
from benchmarks._table_models import BESIDE, MODELS

from backpass.tabular.explanation import calibration
from backpass.tabular.metrics import class_metrics, number_metrics
from backpass.tabular.preparation import PreparedTable
from backpass.tabular.question import Question
from backpass.tabular.selection import split_rows

RESULTS = Path(__file__).parent / "table_results"
COLUMNS = (
    *("table", "task", "rows", "columns", "split", "model", "loss", "accuracy"),
    *("calibration_error", "coverage", "coverage_by_width", "seconds", "note"),
)
LIMIT = 600  # seconds of a fit
SMALL = 4000  # rows from which on one split tells enough
FEW = 60  # rows of the fit before the clock starts


# --- fits ------------------------------------------------------------------------------------


def fit(told: Table, split: int, name: str) -> dict[str, Any]:
    """Return one line of the results."""
    frame = load(told)
    question = Question(told.target)
    prepared = PreparedTable.of(frame, question)  # the whole table, to know its classes
    kept, held_out = split_rows(
        prepared.rows.y, 0.25, split, classes=prepared.classes or None, quiet=True
    )
    train, test = frame[kept], frame[held_out]
    example = SHORT[0] if prepared.classes else SHORT[1]
    few = load(example).sample(FEW, seed=0)
    MODELS[name](few, few, example.target, 0)
    started = time.monotonic()
    answer = MODELS[name](train, test, told.target, split)
    seconds = time.monotonic() - started
    line: dict[str, Any] = {
        "table": told.name,
        "task": prepared.task,
        "rows": len(kept),
        "columns": frame.width - 1,
        "split": split,
        "model": name,
        "seconds": round(seconds, 2),
    }
    if prepared.classes:
        chances = answer["chances"]
        p = np.zeros((len(held_out), len(prepared.classes)))
        for i, label in enumerate(prepared.classes):  # one that training had not has no chance
            if label in chances.columns:
                p[:, i] = chances[label].to_numpy()
        y = prepared.rows.y[held_out]
        metrics = class_metrics(y, p)
        line |= {"loss": metrics["log-loss"], "accuracy": metrics["accuracy"]}
        line["calibration_error"] = calibration(y, p)[1]
    else:
        y = prepared.target.decode(prepared.rows.y[held_out]).to_numpy()
        line["loss"] = 1 - number_metrics(y, answer["numbers"])["R²"]
        if "interval" in answer:
            low, high = answer["interval"]
            held = ((low <= y) & (y <= high))[np.argsort(high - low, kind="stable")]
            line["coverage"] = float(held.mean())
            fifths = [f"{part.mean():.3f}" for part in np.array_split(held, 5)]  # narrow to wide
            line["coverage_by_width"] = " ".join(fifths)
    return line


def _child(told: Table, split: int, name: str, pipe: Any) -> None:
    warnings.simplefilter("ignore")
    try:
        pipe.send(fit(told, split, name))
    except Exception as error:
        pipe.send({"note": f"{type(error).__name__}: {error}".splitlines()[0][:200]})


def fit_in_time(told: Table, split: int, name: str) -> dict[str, Any]:
    """Return one line, of a process of its own that is ended after ten minutes."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    child = context.Process(target=_child, args=(told, split, name, there))
    child.start()
    there.close()
    line: dict[str, Any] = {"note": f"more than {LIMIT} s"}
    try:
        if here.poll(LIMIT):
            line = here.recv()
    except EOFError:
        line = {"note": "ended by the system"}
    child.kill()
    child.join()
    return {"table": told.name, "split": split, "model": name, **line}


def run(tables: Iterable[Table], models: list[str], splits: int, path: Path) -> None:
    """Fit what has not been fitted, and append each to the file at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    known = {(r["table"], int(r["split"]), r["model"]) for r in read(path)}
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        if not known:
            writer.writeheader()
        for told in tables:
            for split in range(1 if load(told).height > SMALL else splits):
                for name in models:
                    if (told.name, split, name) in known:
                        continue
                    line = fit_in_time(told, split, name)
                    writer.writerow(line)
                    file.flush()
                    shown = line.get("note") or f"{line['loss']:.4f}"
                    print(f"{told.name:18} {split} {name:22} {shown}", flush=True)


def read(path: Path) -> list[dict[str, str]]:
    """Return the lines of the results."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# --- what came of it -------------------------------------------------------------------------


def means(rows: list[dict[str, str]], column: str) -> dict[str, dict[str, float]]:
    """Return the mean over the splits of each table and model; infinite where a fit failed."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row[column] or row["note"]:
            found[row["table"]][row["model"]].append(float(row[column] or "inf"))
    return {t: {m: statistics.fmean(v) for m, v in by.items()} for t, by in found.items()}


def splits_of_all(rows: list[dict[str, str]], models: Iterable[str]) -> list[dict[str, str]]:
    """Return the lines of those splits of a table that each of the models was fitted on."""
    fitted: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        fitted[row["table"], row["split"]].add(row["model"])
    return [row for row in rows if fitted[row["table"], row["split"]].issuperset(models)]


def ranks(losses: dict[str, dict[str, float]]) -> dict[str, float]:
    """Return the mean rank of each model over the tables; equal ones share theirs.

    Examples
    --------
    >>> ranks({"t": {"a": 0.1, "b": 0.2, "c": 0.2}})
    {'a': 1.0, 'b': 2.5, 'c': 2.5}
    """
    by: dict[str, list[float]] = defaultdict(list)
    for told in losses.values():
        own = {m: x for m, x in told.items() if m not in BESIDE}
        for name, loss in own.items():
            below = sum(x < loss for x in own.values())
            by[name].append(below + (sum(x == loss for x in own.values()) + 1) / 2)
    return {name: statistics.fmean(each) for name, each in by.items()}


def worse_than(rows: list[dict[str, str]], ours: str, theirs: str) -> dict[str, float]:
    """Return the tables on which ours has more loss in two splits or more, with p of the t-test.

    One-sided, with the variance corrected for splits that share their rows: Nadeau and Bengio,
    "Inference for the generalization error", Machine Learning 52, 2003.
    """
    from scipy.stats import t

    found: dict[str, float] = {}
    both = splits_of_all(rows, [ours, theirs])
    for name in dict.fromkeys(row["table"] for row in both):
        own = [row for row in both if row["table"] == name]
        loss = {m: {r["split"]: float(r["loss"] or "inf") for r in own if r["model"] == m}
                for m in (ours, theirs)}  # fmt: skip
        more = np.array([loss[ours][split] - loss[theirs][split] for split in loss[ours]])
        if len(more) < 2 or more.mean() <= 0:
            continue
        spread = math.sqrt((1 / len(more) + 0.25 / 0.75) * more.var(ddof=1))
        found[name] = float(t.sf(more.mean() / spread, len(more) - 1)) if spread else 0.0
    return found


def duel(rows: list[dict[str, str]], name: str) -> list[str]:
    """Return how often the pack has less loss and more accuracy than a model, and both seconds."""
    both = splits_of_all(rows, ["pack", name])
    losses, right, seconds = (means(both, c) for c in ("loss", "accuracy", "seconds"))
    wins = [t["pack"] < t[name] for t in losses.values()]
    truer = [t["pack"] > t[name] for t in right.values() if not math.isinf(t[name])]
    taken = [t[name] for t in seconds.values()]
    ratios = [t["pack"] / t[name] for t in seconds.values()]
    if name == "pack" or not wins:
        return ["", "", f"{statistics.median(taken):.1f} ({max(taken):.0f})", ""]
    return [
        f"{np.mean(wins):.0%} of {len(wins)}",
        f"{np.mean(truer):.0%}" if truer else "",
        f"{statistics.median(taken):.1f} ({max(taken):.0f})",
        f"{statistics.median(ratios):.2f}",
    ]


def page(rows: list[dict[str, str]]) -> str:
    """Return ranks, shares of tables won, seconds, calibration and coverage."""
    names = [name for name in MODELS if any(row["model"] == name for row in rows)]
    ranked = splits_of_all(rows, [name for name in names if name not in BESIDE])
    own, losses = ranks(means(ranked, "loss")), means(rows, "loss")
    lines = [[n, f"{own[n]:.2f}" if n in own else "", *duel(rows, n)] for n in names]
    heads = ["model", "mean rank", "pack has less loss", "pack is more accurate", "s (most)"]
    parts = [
        f"{len(losses)} tables; ranks over the {len(means(ranked, 'loss'))} that all have fitted",
        text_table([*heads, "pack's seconds / its"], lines),
    ]
    told = [r for r in rows if r["model"] == "pack"]
    if covered := [r for r in told if r["coverage"]]:
        fifths = np.array([[float(x) for x in r["coverage_by_width"].split()] for r in covered])
        each = {t: m["pack"] for t, m in means(covered, "coverage").items()}
        parts.append(
            f"Intervals of 0.9 of the pack hold {np.mean(list(each.values())):.3f}"
            f" ({min(each.values()):.3f} to {max(each.values()):.3f} by table), from the fifth of"
            f" narrow ones to the fifth of wide ones"
            f" {', '.join(f'{x:.3f}' for x in fifths.mean(axis=0))}."
        )
    if errors := [float(r["calibration_error"]) for r in told if r["calibration_error"]]:
        parts.append(f"Probabilities of the pack are off by {np.mean(errors):.3f}.")
    if "linear" in names:
        doubts = [f"{t} (p {p:.3f})" for t, p in worse_than(rows, "pack", "linear").items()]
        parts.append(f"More loss than the linear model, in splits' mean: {', '.join(doubts)}.")
    each_table = [
        [name, *(f"{of[m]:.4f}" if m in of else "" for m in names)] for name, of in losses.items()
    ]
    return "\n\n".join([*parts, text_table(["log-loss or 1 − R²", *names], each_table)])


def arguments() -> argparse.Namespace:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("what", nargs="?", choices=["run", "page"], default="page")
    options.add_argument("--list", choices=list(LISTS), default="third", help="of tables")
    options.add_argument("--tables", help="names, separated by ; [default: all of the list]")
    options.add_argument("--models", help="names, separated by ; [default: all]")
    options.add_argument("--splits", type=int, default=3, help="of tables up to 4 000 rows")
    options.add_argument("--short", action="store_true", help="two small tables, to try it")
    options.add_argument("--json", type=Path, help="write the mean ranks of a short run, too")
    return options.parse_args()


def main() -> None:
    told = arguments()
    models = told.models.split(";") if told.models else list(MODELS)
    if unknown := [name for name in models if name not in MODELS]:
        raise SystemExit(f"no such model: {', '.join(unknown)}; there are {', '.join(MODELS)}")
    if told.short:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "scores.csv"
            run(SHORT, ["pack, quick", "linear", "HistGradientBoosting"], 1, path)
            rows = read(path)
        print(page(rows))
        write_json(told.json, "tables", {"ranks": ranks(means(rows, "loss"))})
        return
    path, tables = RESULTS / f"{told.list}.csv", LISTS[told.list]
    if told.what == "run":
        named = told.tables.split(";") if told.tables else [table.name for table in tables]
        run([table for table in tables if table.name in named], models, told.splits, path)
    rows = read(path)
    if not rows:
        raise SystemExit("nothing was measured yet: python -m benchmarks.tables run")
    print(page(rows))


if __name__ == "__main__":
    sys.exit(main())
