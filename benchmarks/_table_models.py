"""The models that tables are judged with: ours, and other programs as they come.

A setting differs from its default only where the program's documentation advises it for the
metric. Preparation: ours takes the table as it is; linear model and scikit-learn's MLP take our
encoding without bins (levels as 0 and 1, medians for gaps, scaled); boosted trees, RealMLP-TD and
TabM-D a column each with categories of their own kind, gaps as they are, or filled by medians for
the two that refuse them. Who asks for a number of threads is told two; the others take all cores,
of which the machine of the results has two.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from backpass import Recipe, TabularModel
from backpass.tabular.baselines import BASELINES, tree_matrix
from backpass.tabular.preparation import PreparedTable
from backpass.tabular.question import Question

Answer = dict[str, Any]
"""``chances``: a frame, a column each class; or ``numbers``: an array; ``interval``: two arrays."""
Model = Callable[[pl.DataFrame, pl.DataFrame, str, int], Answer]
"""Takes training rows, test rows, target and seed."""


def pack(effort: str) -> Model:
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
    make: Callable[[str, int, list[bool]], Any],
    *,
    trees: bool = False,
    texts: bool = False,
    filled: bool = False,
) -> Model:
    """Return what trains a model of scikit-learn's kind and predicts.

    On our encoding; `trees`: on a column each, its levels numbered; `texts`: these as texts, in a
    frame of pandas; `filled`: and medians in the gaps of numbers.
    """

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
            gaps = np.nanmedian(X, axis=0) if filled else None
            both = _with_texts(np.vstack([X, X_test]), categorical, gaps)
            X, X_test = both.iloc[: len(X)], both.iloc[len(X) :]
        model.fit(X, y)
        if not prepared.classes:
            return {"numbers": prepared.target.decode(np.asarray(model.predict(X_test))).to_numpy()}
        p = np.zeros((len(X_test), len(prepared.classes)))
        p[:, np.asarray(model.classes_).astype(int).ravel()] = model.predict_proba(X_test)
        return {"chances": pl.DataFrame(p, schema=list(prepared.classes))}

    return work


def _with_texts(matrix: Any, categorical: list[bool], gaps: Any) -> Any:
    import pandas

    frame = pandas.DataFrame(matrix)
    if gaps is not None:
        frame = frame.fillna(dict(enumerate(gaps)))
    frame.columns = [f"x{i}" for i in range(frame.shape[1])]
    for place in np.flatnonzero(categorical):
        name = f"x{place}"
        frame[name] = frame[name].fillna(-1).astype(int).astype(str).astype("category")
    return frame


def _linear(task: str, seed: int, categorical: list[bool]) -> Any:
    from sklearn.linear_model import LogisticRegression, Ridge

    return LogisticRegression(max_iter=1000) if task == "classification" else Ridge()


def _mlp(task: str, seed: int, categorical: list[bool]) -> Any:
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    return (MLPClassifier if task == "classification" else MLPRegressor)(random_state=seed)


def _catboost(task: str, seed: int, categorical: list[bool]) -> Any:
    import catboost

    kind = catboost.CatBoostClassifier if task == "classification" else catboost.CatBoostRegressor
    return kind(
        random_seed=seed, verbose=0, thread_count=2, allow_writing_files=False,
        cat_features=[f"x{place}" for place in np.flatnonzero(categorical)],
    )  # fmt: skip


def _realmlp(n_cv: int) -> Callable[[str, int, list[bool]], Any]:
    def make(task: str, seed: int, categorical: list[bool]) -> Any:
        import pytabkit

        told: dict[str, Any] = {"device": "cpu", "random_state": seed, "n_threads": 2, "n_cv": n_cv}
        if task == "classification":  # as its documentation advises for the log-loss
            told |= {"val_metric_name": "cross_entropy", "use_ls": False}
            return pytabkit.RealMLP_TD_Classifier(**told)
        return pytabkit.RealMLP_TD_Regressor(**told)

    return make


def _tabm(task: str, seed: int, categorical: list[bool]) -> Any:
    import pytabkit

    told: dict[str, Any] = {"device": "cpu", "random_state": seed, "n_threads": 2}
    if task == "classification":
        return pytabkit.TabM_D_Classifier(val_metric_name="cross_entropy", **told)
    return pytabkit.TabM_D_Regressor(**told)


MODELS: dict[str, Model] = {
    "pack": pack("default"),
    "pack, quick": pack("quick"),
    "single network": plain,
    "linear": of_sklearn(_linear),
    "scikit-learn's MLP": of_sklearn(_mlp),
    "HistGradientBoosting": of_sklearn(BASELINES["boosted trees"].make, trees=True),
    "LightGBM": of_sklearn(BASELINES["LightGBM"].make, trees=True),
    "CatBoost": of_sklearn(_catboost, trees=True, texts=True),
    "XGBoost": of_sklearn(BASELINES["XGBoost"].make, trees=True),
    "RealMLP-TD": of_sklearn(_realmlp(1), trees=True, texts=True, filled=True),
    "TabM-D": of_sklearn(_tabm, trees=True, texts=True, filled=True),
    "RealMLP-TD, n_cv=5": of_sklearn(_realmlp(5), trees=True, texts=True, filled=True),
}
#: Ours at other efforts, and what is not among the eight that are ranked.
BESIDE = ("pack, quick", "single network", "XGBoost", "RealMLP-TD, n_cv=5")
