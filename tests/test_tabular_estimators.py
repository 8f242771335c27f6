"""TabularClassifier and TabularRegressor: scikit-learn's checks and tools, TabularModel's bytes.

SCIPY_ARRAY_API=1 is set in conftest.py: without it scikit-learn skips some of its checks.
"""

import pickle
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import StackingClassifier, StackingRegressor
from sklearn.exceptions import DataConversionWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from backpass import TabularClassifier, TabularModel, TabularRegressor
from backpass.errors import InputError, TableError, TableWarning
from backpass.tabular.baselines import compared_with
from backpass.tabular.pack import training as pack_training
from backpass.training.side_by_side import side_by_side

N = 60
RNG = np.random.default_rng(0)
SIZE, CITY = RNG.normal(size=N), RNG.choice(["Bonn", "Oslo"], N)
X = pl.DataFrame({"size": SIZE, "city": CITY})
PRICE = SIZE + (CITY == "Bonn") + 0.1 * RNG.normal(size=N)
DEAR = PRICE > 0.5
LABELS = np.where(DEAR, "yes", "no")
WEIGHTS = np.arange(N) % 3.0

ESTIMATORS = {"classes": TabularClassifier, "numbers": TabularRegressor}
TARGETS = {"classes": LABELS, "numbers": PRICE}
TASKS = pytest.mark.parametrize("task", TARGETS)


def quick(task="classes", **parameters):
    return ESTIMATORS[task](**{"effort": "quick", "random_state": 0, **parameters})


def flat(model):
    return [network.parameters.flat.tobytes() for network in model.pack.networks]


@pytest.fixture(scope="module", params=TARGETS)
def fitted(request):
    return quick(request.param).fit(X, TARGETS[request.param])


@pytest.fixture(scope="module")
def regressor():
    return quick("numbers").fit(X, PRICE)


# --- scikit-learn's checks -------------------------------------------------------------------

IMPOSSIBLE = {
    "check_sample_weight_equivalence_on_dense_data": "a row of weight 2 is in one fold, its copies"
    " in two; test_rows_of_weight_0_are_left_out has the half that is possible"
}


@TASKS
def test_every_check_passes(task):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(
            ESTIMATORS[task](effort="quick"),
            on_skip=None,
            on_fail=None,
            expected_failed_checks=IMPOSSIBLE,
        )
    others = {r["check_name"]: r["exception"] for r in results if r["status"] != "passed"}
    assert others.keys() == IMPOSSIBLE.keys(), others
    assert len(results) > 50


# --- the same as TabularModel ----------------------------------------------------------------


@TASKS
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unweighted", "weighted"])
def test_the_same_seed_trains_the_bytes_of_a_tabular_model(task, weights):
    table, column = X.with_columns(y=TARGETS[task]), None
    if weights is not None:
        table, column = table.with_columns(w=weights), "w"
    model = TabularModel.fit(table, "y", sample_weight=column, effort="quick", seed=7)
    own = quick(task, random_state=7).fit(X, TARGETS[task], weights)
    assert flat(own.model_) == flat(model)
    assert own.model_.out_of_fold == model.out_of_fold
    assert own.out_of_fold_score_ == model.out_of_fold[model.main_metric]
    if task == "numbers":
        assert (own.predict(X) == model.predict(X).to_numpy()).all()
        ends = model.predict_interval(X, 0.8)[:, 1:].to_numpy()
        assert (own.predict_interval(X, coverage=0.8) == ends).all()
    else:
        assert own.predict(X).tolist() == model.predict(X).to_list()
        assert np.allclose(own.predict_proba(X), model.predict_proba(X).to_numpy(), atol=1e-6)


def test_none_draws_a_seed_and_a_random_state_draws_its_own():
    drawn = np.random.RandomState(5).randint(np.iinfo(np.int32).max)
    assert quick(random_state=np.random.RandomState(5)).fit(X, LABELS).model_.seed == drawn
    assert quick(random_state=None)._seed() != quick(random_state=None)._seed()


# --- targets ---------------------------------------------------------------------------------

LABELLED = {
    "text": LABELS,
    "objects": LABELS.astype(object),
    "truth values": DEAR,
    "integers": np.where(DEAR, 3, -1),
    "small integers": DEAR.astype(np.int8),
    "large integers": np.where(DEAR, 2**62, 2**62 + 1),
    "floats": np.where(DEAR, 2.0, 10.0).astype(np.float32),
    "numbers in texts": np.select([PRICE < 0, DEAR], ["10", "2"], "1"),
    "words for missing": np.where(DEAR, "NA", "none"),
    "truth in words": np.where(DEAR, "TRUE", "False"),
    "a list": DEAR.tolist(),
    "pandas": pd.Series(LABELS, name="city"),
    "categories": pd.Series(LABELS).astype("category"),
    "polars": pl.Series("^y$", LABELS),
    "polars' truth values": pl.Series("dear", DEAR),
}


@pytest.mark.parametrize("y", LABELLED.values(), ids=LABELLED)
def test_labels_come_back_as_they_were(y):
    classifier, labels = quick().fit(X, y), np.asarray(y)
    assert classifier.classes_.dtype == labels.dtype == classifier.predict(X).dtype
    assert classifier.classes_.tolist() == np.unique(labels).tolist()
    assert classifier.score(X, y) > 0.9
    chances = classifier.predict_proba(X)
    assert (classifier.classes_[chances.argmax(axis=1)] == classifier.predict(X)).all()
    assert classifier.model_.predict(X).to_list() == classifier.predict(X).tolist()


NUMBERS = [PRICE.astype(np.float16), (9 * PRICE).astype(int), PRICE.astype(str), pl.Series(PRICE),
           [Fraction(round(100 * price), 100) for price in PRICE], DEAR]  # fmt: skip


@pytest.mark.parametrize("y", NUMBERS, ids=["float16", "int", "text", "polars", "fraction", "bool"])
def test_numbers_of_any_type_are_learnt(y):
    regressor = quick("numbers").fit(X, y)
    assert regressor.predict(X).dtype == np.float64
    assert r2_score(np.asarray(y, dtype=float), regressor.predict(X)) > 0.8


def test_a_target_of_one_column_is_one_with_a_warning():
    with pytest.warns(DataConversionWarning, match="column-vector"):
        assert quick().fit(X, LABELS[:, None]).score(X, LABELS) > 0.9


# --- out of fold -----------------------------------------------------------------------------


def test_out_of_fold_predictions_are_the_models():
    chances = quick().fit(X, LABELS).oof_predictions_
    numbers = quick("numbers").fit(X, 1000 * PRICE)
    assert chances.shape == (N, 2)
    assert np.allclose(chances.sum(axis=1), 1, rtol=0, atol=1e-15)
    assert numbers.oof_predictions_.shape == (N,)
    score = r2_score(1000 * PRICE, numbers.oof_predictions_)
    assert numbers.out_of_fold_score_ == pytest.approx(score)
    assert (numbers.oof_predictions_ != numbers.predict(X)).all()


def test_out_of_fold_accuracy_and_columns_are_in_the_order_of_the_labels():
    y = LABELLED["numbers in texts"]  # the model has 1, 2, 10, and scikit-learn "1", "10", "2"
    classifier = quick().fit(X, y)
    assert classifier.model_.classes == ("1", "2", "10")
    found = classifier.classes_[classifier.oof_predictions_.argmax(axis=1)]
    assert classifier.out_of_fold_score_ == pytest.approx(accuracy_score(y, found))
    loss = classifier.model_.out_of_fold["log-loss"]
    assert loss == pytest.approx(log_loss(y, classifier.oof_predictions_), rel=1e-5)


@TASKS
def test_rows_of_weight_0_are_left_out(task):
    y, kept = TARGETS[task], WEIGHTS > 0
    whole = quick(task).fit(X, y, WEIGHTS)
    part = quick(task).fit(X.filter(kept), y[kept], WEIGHTS[kept])
    assert flat(whole.model_) == flat(part.model_)
    assert (whole.oof_predictions_[kept] == part.oof_predictions_).all()
    unseen = X.filter(~kept)
    told = part.predict_proba(unseen) if task == "classes" else part.predict(unseen)
    assert (whole.oof_predictions_[~kept] == told).all()


def test_any_number_of_threads_trains_the_same_bytes():
    one, three = (quick(n_threads=n).fit(X, LABELS).model_ for n in (1, 3))
    assert flat(one) == flat(three)


def test_recipes_and_bins_are_as_many_as_are_asked_for():
    model = quick(recipes=1, bins=5).fit(X, LABELS).model_
    assert len(model.training.recipes) == 1
    assert [len(edges) for edges in model.encoder.bins_.edges] == [6]
    plain = quick(bins="none").fit(X, LABELS).model_
    assert plain.encoder.bins_.width == 0
    assert not any(packed.recipe.bins for packed in plain.training.recipes)


@TASKS
def test_others_are_compared_with_on_the_same_folds(task):
    pack = quick(task, compare="fast").fit(X, TARGETS[task], WEIGHTS)
    assert list(pack.comparison_) == compared_with("fast")
    used, y = WEIGHTS > 0, np.asarray(TARGETS[task])[WEIGHTS > 0]
    weights = WEIGHTS[used] / WEIGHTS[used].mean()  # as they count beside a penalty
    fold = pack.model_.training.folds.fold
    rows = pack.model_.encoder.encode(X.filter(used))[:, : pack.model_.encoder.plain_width]
    classes = task == "classes"
    linear = LogisticRegression(max_iter=500) if classes else Ridge()
    told = np.empty_like(y)
    for k in range(fold.max() + 1):
        kept = fold != k
        told[~kept] = linear.fit(rows[kept], y[kept], weights[kept]).predict(rows[~kept])
    score = (accuracy_score if classes else r2_score)(y, told, sample_weight=weights)
    assert pack.comparison_["linear model"] == pytest.approx(score, abs=1e-3)
    assert quick(task).fit(X, TARGETS[task]).comparison_ == {}


def test_a_rare_class_counts_as_much_as_it_is_told():
    rare = (SIZE + 0.5 * RNG.normal(size=N) > 1.0).astype(int)
    usual, dear, even = (
        quick(class_weight=weight).fit(X, rare) for weight in (None, {1: 50.0}, "balanced")
    )
    chance = [estimator.predict_proba(X)[:, 1].mean() for estimator in (usual, even, dear)]
    assert chance == sorted(chance)
    told = accuracy_score(rare, dear.oof_predictions_.argmax(axis=1))
    assert dear.out_of_fold_score_ == pytest.approx(told)  # not weighed
    for weights in ({}, {"sample_weight": "w"}):
        estimator = quick(class_weight="balanced").fit(X, rare, (1 + WEIGHTS) if weights else None)
        model = TabularModel.fit(
            X.with_columns(target=rare, **({"w": 1 + WEIGHTS} if weights else {})), "target",
            task="classification", effort="quick", seed=0, class_weight="balanced", **weights,
        )  # fmt: skip
        assert flat(estimator.model_) == flat(model)


def test_a_class_of_weight_0_has_no_chance():
    y = LABELLED["numbers in texts"]
    classifier = quick().fit(X, y, (y != "10").astype(float))
    assert classifier.classes_.tolist() == ["1", "10", "2"]
    assert (classifier.predict_proba(X)[:, 1] == 0).all()
    assert classifier.score(X, y, y != "10") > 0.9


@TASKS
@pytest.mark.filterwarnings("error")
def test_a_training_that_was_cut_short_predicts_and_has_gaps_out_of_fold(task, monkeypatch):
    def interrupted(jobs, n_threads, halt, while_waiting):
        done = side_by_side(jobs[:1], n_threads, halt, while_waiting)
        halt.call()
        return [*done, *[None] * (len(jobs) - 1)]

    monkeypatch.setattr(pack_training, "side_by_side", interrupted)
    estimator = quick(task).fit(X, TARGETS[task])
    assert estimator.model_.stop_reason == "interrupted"
    assert np.isnan(estimator.out_of_fold_score_)
    gaps = np.isnan(estimator.oof_predictions_).reshape(N, -1).any(axis=1)
    assert 0 < gaps.sum() < N
    assert len(estimator.predict(X)) == N


def test_intervals_hold_about_what_they_promise(regressor):
    low, high = regressor.predict_interval(X).T
    assert 0.8 <= np.mean((low <= PRICE) & (high >= PRICE)) <= 1
    wide = regressor.predict_interval(X, coverage=0.95)
    assert (wide[:, 0] <= low).all()
    assert (wide[:, 1] >= high).all()


# --- tables ----------------------------------------------------------------------------------

MIXED = X.to_pandas()
FORMS = {
    "pandas": MIXED,
    "other order": MIXED[["city", "size"]],
    "more columns": MIXED.assign(more=1),
    "a mapping": X.to_dict(as_series=False),
    "records": X.to_dicts(),
}


@pytest.mark.parametrize("rows", FORMS.values(), ids=FORMS)
def test_columns_are_found_by_name(regressor, rows):
    assert regressor.feature_names_in_.tolist() == ["size", "city"]
    assert (regressor.predict(rows) == regressor.predict(X)).all()


@pytest.mark.parametrize("rows", [MIXED.to_numpy(), X.rows(), pd.DataFrame(MIXED.to_numpy())])
def test_rows_without_names_are_taken_in_their_order(regressor, rows):
    unnamed = quick("numbers").fit(rows, PRICE)
    assert flat(unnamed.model_) == flat(regressor.model_)
    assert not hasattr(unnamed, "feature_names_in_")
    assert (unnamed.predict(rows) == regressor.predict(X)).all()
    for estimator, other, words in [(unnamed, X, "has column"), (regressor, rows, "has no column")]:
        with pytest.warns(TableWarning, match=f"X {words} names"):
            assert (estimator.predict(other) == regressor.predict(X)).all()


def test_a_fit_forgets_the_names_of_the_one_before():
    regressor = quick("numbers").fit(X, PRICE).fit(np.c_[SIZE, DEAR, DEAR * SIZE], PRICE)
    assert not hasattr(regressor, "feature_names_in_")
    assert regressor.n_features_in_ == 3


def test_what_is_predicted_may_be_changed(fitted):
    fitted.predict(X)[:] = fitted.predict(X)[0]
    fitted.oof_predictions_[:] = fitted.oof_predictions_


# --- what is refused -------------------------------------------------------------------------

ONE = np.r_[True, np.zeros(N - 1, dtype=bool)]
WITH_INF = X.with_columns(size=np.where(np.arange(N) == 7, np.inf, SIZE))
REFUSED = {
    "effort": ("classes", {"effort": "fast"}, (X, LABELS), "effort must be one of quick, default"),
    "no effort": ("classes", {"effort": ""}, (X, LABELS), "effort must be one of"),
    "recipes": ("numbers", {"recipes": 0}, (X, PRICE), "recipes must be None or an integer of at"),
    "bins": ("numbers", {"bins": 1}, (X, PRICE), "bins must be 'none', 'auto' or a number from 2"),
    "compare": ("numbers", {"compare": "some"}, (X, PRICE), "compare must be one of none, fast"),
    "threads": ("numbers", {"n_threads": 0}, (X, PRICE), "n_threads must be None or an integer"),
    "class weight": ("classes", {"class_weight": "even"}, (X, LABELS), "must be 'balanced'"),
    "no weight": ("classes", {"class_weight": {"yes": 0.0}}, (X, LABELS), "must be positive"),
    "others": ("classes", {"class_weight": {"maybe": 2.0}}, (X, LABELS), "are not in class_weight"),
    "time": ("classes", {"time_limit": 0}, (X, LABELS), "time_limit must be None or a positive"),
    "seed": ("classes", {"random_state": -1}, (X, LABELS), "random_state=-1"),
    "no rows": ("numbers", {}, (X[:0], []), "X has 0 rows and 2 columns"),
    "no columns": ("numbers", {}, (X.select([]), []), "X has 0 rows and 0 columns"),
    "three rows": ("numbers", {}, (X[:3], PRICE[:3]), "3 sample(s) are too few to train on some"),
    "three that count": (
        "numbers", {}, (X, PRICE, np.arange(N) < 3), "3 sample(s) of a weight above 0 are too few"
    ),
    "other lengths": ("classes", {}, (X, LABELS[1:]), "X has 60 rows, but y 59"),
    "one class": ("classes", {}, (X, LABELS == "maybe"), "one class only, 'false'"),
    "one number": ("numbers", {}, (X, np.ones(N)), "is 1 in every row: there is nothing to learn"),
    "a quantity": ("classes", {}, (X, PRICE), "Unknown label type: continuous"),
    "no labels": ("classes", {}, (X, None), "TabularClassifier requires y to be passed"),
    "a gap": ("classes", {}, (X, [None, *LABELS[1:]]), "y has rows without a label (None)"),
    "a masked label": ("classes", {}, (X, np.ma.masked_array(DEAR, ONE)), "y has masked values"),
    "two columns": ("classes", {}, (X, np.c_[DEAR, DEAR]), "y should be a 1d array"),
    "a missing number": ("numbers", {}, (X, np.where(DEAR, PRICE, np.nan)), "y contains NaN"),
    "a gap among texts": ("numbers", {}, (X, [None, *PRICE[1:]]), "y contains NaN"),
    "words": ("numbers", {}, (X, LABELS), "could not convert string to float"),
    "days": ("numbers", {}, (X, np.arange(N).astype("M8[D]")), "y holds dates or times"),
    "a negative weight": ("numbers", {}, (X, PRICE, WEIGHTS - 1), "weights must be numbers of at"),
    "weights of others": ("numbers", {}, (X, PRICE, WEIGHTS[1:]), "(59,), expected (60,)"),
    "infinity": ("numbers", {}, (WITH_INF, PRICE), "column 'size', row 8: inf is infinite"),
    "infinity, later": ("numbers", {}, (WITH_INF, PRICE, WEIGHTS), "column 'size', row 8: inf"),
    "infinity, unused": ("numbers", {}, (WITH_INF, PRICE, np.arange(N) != 7.0), "'size', row 8"),
    "a file": ("numbers", {}, ("t.csv", PRICE), "not of type str; read a file with"),
}  # fmt: skip


@pytest.mark.parametrize(("task", "parameters", "data", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_used_is_refused_in_one_line(task, parameters, data, words):
    estimator = quick(task, **parameters)
    with pytest.raises(InputError) as caught:
        estimator.fit(*data)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not [name for name in vars(estimator) if name.endswith("_")]


def test_rows_that_do_not_fit_are_refused(regressor):
    with pytest.raises(TableError, match="X has 3 features, but TabularRegressor is expecting 2"):
        regressor.predict(np.ones((2, 3)))
    with pytest.raises(TableError, match=r"no column 'city' \(did you mean 'City'\?\)"):
        regressor.predict({"size": [1.0], "City": ["Bonn"]})


@pytest.mark.parametrize("coverage", [0, 1, True, "most", None, 0.99])
def test_wrong_coverages_are_refused(regressor, coverage):
    with pytest.raises(InputError, match="coverage"):
        regressor.predict_interval(X, coverage)


# --- scikit-learn's tools --------------------------------------------------------------------


def test_four_rows_are_enough():
    assert quick("numbers").fit(X[:4], PRICE[:4]).predict(X).shape == (N,)


def test_a_time_limit_leaves_an_estimator():
    estimator = quick("numbers", time_limit=1e-6, effort="best").fit(X, PRICE)
    assert estimator.model_.stop_reason == "time_limit"
    assert np.isfinite(estimator.oof_predictions_).all()


@TASKS
@pytest.mark.parametrize("rows", [X, MIXED, MIXED.to_numpy()], ids=["polars", "pandas", "array"])
def test_cross_validation(task, rows):
    assert (cross_val_score(quick(task), rows, TARGETS[task], cv=3) > 0.7).all()


def test_a_search_over_effort():
    search = GridSearchCV(quick(), {"effort": ["quick", "much"]}, cv=2, error_score=-1)
    with pytest.warns(Warning, match="effort must be one of"):
        search.fit(X, LABELS)
    assert search.best_params_ == {"effort": "quick"}
    assert search.best_estimator_.out_of_fold_score_ > 0.8


def test_stacks():
    members = [("pack", quick()), ("none", DummyClassifier())]
    stack = StackingClassifier(members, LogisticRegression(), cv=2).fit(MIXED, LABELS)
    assert stack.score(MIXED, LABELS) > 0.9
    members = [("pack", quick("numbers")), ("none", DummyRegressor())]
    assert StackingRegressor(members, cv=2).fit(MIXED, PRICE).score(MIXED, PRICE) > 0.9


@pytest.mark.parametrize("output", ["default", "pandas", "polars"])
def test_pipelines(output):
    numbers = pd.DataFrame({"size": SIZE, "bonn": CITY == "Bonn"})
    steps = make_pipeline(StandardScaler(), quick("numbers")).set_output(transform=output)
    steps.fit(numbers, PRICE, tabularregressor__sample_weight=WEIGHTS)
    assert steps.score(numbers, PRICE) > 0.9
    assert hasattr(steps[-1], "feature_names_in_") == (output != "default")
    table = make_pipeline(FunctionTransformer(), quick()).fit(X, LABELS)
    assert table.score(X, LABELS) > 0.9


def test_a_transformed_target():
    regressor = TransformedTargetRegressor(quick("numbers"), func=np.log, inverse_func=np.exp)
    assert regressor.fit(X, np.exp(PRICE)).score(X, np.exp(PRICE)) > 0.9


def test_clones_and_pickles(fitted):
    assert not hasattr(clone(fitted), "model_")
    again = pickle.loads(pickle.dumps(fitted))
    assert (again.predict(X) == fitted.predict(X)).all()
    assert flat(again.model_) == flat(fitted.model_)


def test_the_model_is_saved_and_loads(fitted, tmp_path):
    fitted.model_.save(tmp_path / "m.backpass")
    loaded = TabularModel.load(tmp_path / "m.backpass")
    assert loaded.predict(X).to_list() == fitted.predict(X).tolist()


def test_threads_agree_and_predicting_leaves_warnings_as_they_were(fitted):
    rows, filters = X.with_columns(city=pl.lit("Bonn")), [*warnings.filters]
    y = TARGETS["classes" if hasattr(fitted, "classes_") else "numbers"]
    interval, alone = sys.getswitchinterval(), fitted.predict(rows)
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as pool:
            told = [*pool.map(lambda _: fitted.predict(rows), range(60))]
            assert warnings.filters == filters  # which scikit-learn's checks of y in fit change
            trained = [*pool.map(lambda _: clone(fitted).fit(X, y), range(4))]
    finally:
        sys.setswitchinterval(interval)
    assert all((predictions == alone).all() for predictions in told)
    assert all(flat(other.model_) == flat(fitted.model_) for other in trained)


def test_groups_stay_in_one_fold():
    rng = np.random.default_rng(0)
    X, groups = {"x": rng.normal(size=120).tolist()}, rng.integers(0, 12, 120)
    regressor = TabularRegressor(effort="quick", random_state=0)
    fold = regressor.fit(X, X["x"], groups=groups).model_.training.folds.fold
    assert all(len({*fold[groups == group]}) == 1 for group in range(12))
    with pytest.raises(ValueError, match="groups"):
        regressor.fit(X, X["x"], groups=groups[:7])
