"""A process of reliability.endurance: it fits with threads, then in workers, or beside another."""

import json
import multiprocessing
import signal
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import joblib
from reliability._fits import INTERRUPTIBLE, fingerprint, rows, table
from sklearn.model_selection import GridSearchCV

from backpass import MLPClassifier, TabularModel
from backpass.errors import InputError
from backpass.tabular.recipe import Recipe

JOBS = 4
NAMES = ("Adam, two threads", "early stopping, dropout", "SGD, three threads, CSR")
TABLE = "TabularModel"


def answer(name: str) -> str:
    """Return the hash of what a fit comes to."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        return INTERRUPTIBLE[name](Path(folder) / "run").answer()


def search(n_jobs: int) -> str:
    """Return the hash of what a grid search finds."""
    X, _, classes = rows(120)
    model = MLPClassifier((8,), max_iter=5, random_state=0, n_threads=2)
    found = GridSearchCV(model, {"alpha": [1e-4, 1.0]}, n_jobs=n_jobs, cv=2).fit(X, classes)
    best = found.best_estimator_
    return fingerprint(best.network_, best._bp_history, found.cv_results_["mean_test_score"])


def in_workers(method: str, backends: tuple[str, ...]) -> dict[str, int]:
    """Fit here with threads, then in workers of joblib and of a pool; count what differs."""
    # the threads of polars do not survive a fork: there, tables are refused
    names, forked = (NAMES, (TABLE,)) if method == "fork" else ((*NAMES, TABLE), ())
    want = {name: answer(name) for name in (*names, *forked)}
    searched, unequal = search(1), 0
    jobs = [names[i % len(names)] for i in range(JOBS)]
    for backend in backends:
        with joblib.parallel_config(backend=backend, n_jobs=2):
            got = joblib.Parallel()(joblib.delayed(answer)(name) for name in jobs)
            unequal += sum(one != want[name] for one, name in zip(got, jobs, strict=True))
            unequal += search(2) != searched
    with multiprocessing.get_context(method).Pool(2) as pool:
        got = pool.map(answer, jobs)
        unequal += sum(one != want[name] for one, name in zip(got, jobs, strict=True))
        refused = sum(pool.map(is_refused, forked))
    unequal += sum(answer(name) != found for name, found in want.items())
    unequal += refused != len(forked)
    return {
        "fits": JOBS + len(backends) * (JOBS + 5) + len(want),
        "unequal": unequal,
        "refused": refused,
    }


def is_refused(name: str) -> bool:
    """Return whether a fit is refused with the named error."""
    try:
        answer(name)
    except InputError:
        return True
    return False


def beside_another(folder: Path, seed: int, times: int) -> dict[str, Any]:
    """Fit, save to a path that another process saves to as well, and load what is there."""
    with tempfile.TemporaryDirectory() as own:
        got = {name: INTERRUPTIBLE[name](Path(own) / str(i)).answer() for i, name in ours()}
    model, refused = TabularModel.fit(table(60), "y", recipe=Recipe(epochs=2), seed=seed), 0
    for _ in range(times):
        model.save(folder / "model")
        if TabularModel.load(folder / "model").seed not in (1, 2):
            raise SystemExit("a model of neither process")
    try:
        shared = INTERRUPTIBLE["train, checkpoints"](folder / "run").answer()
    except InputError:
        refused, shared = 1, got["train, checkpoints"]
    got["in one folder"] = shared
    return {"answers": got, "refused": refused}


def ours() -> list[tuple[int, str]]:
    """Return the fits that two processes do at once, numbered."""
    checkpointed = ("train, checkpoints", "checkpoints at every opportunity")
    return list(enumerate((*NAMES, TABLE, *checkpointed)))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    warnings.simplefilter("ignore")
    if sys.argv[1] == "workers":
        told = in_workers(sys.argv[2], tuple(sys.argv[3:]))
    else:
        told = beside_another(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    sys.stdout.write(json.dumps(told))
