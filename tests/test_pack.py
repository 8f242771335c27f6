"""Packs: what is dealt, chosen and promised, and that no row has gone into its own prediction."""

import math
import threading
from contextlib import suppress

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpass import Network, Recipe, TabularModel
from backpass.cli import main
from backpass.errors import (
    BackpassError,
    InputError,
    ModelFileError,
    NonFiniteError,
    TableWarning,
)
from backpass.tabular.files import raw_table
from backpass.tabular.pack import training as pack_training
from backpass.tabular.pack.blending import Blend, blend_loss, fit_blend, tempered
from backpass.tabular.pack.folds import Folds, deal, fold_count
from backpass.tabular.pack.intervals import FoldErrors, errors_by_fold, interval, usual_errors
from backpass.tabular.pack.member import train_member
from backpass.tabular.pack.pack import Pack, PackedRecipe
from backpass.tabular.pack.recipes import EFFORTS, ROUNDS, Effort
from backpass.tabular.pack.training import cross_fit
from backpass.tabular.preparation import PreparedTable
from backpass.tabular.question import Question
from backpass.tabular.setup import arrange
from backpass.training.checkpoints import Checkpoints, parts_in
from backpass.training.side_by_side import Halt, side_by_side
from backpass.training.trainer import Trainer

SHORT = Effort(folds=3, recipes=2, operations=1e9)


def table(rows=90, seed=0, classes=True):
    rng = np.random.default_rng(seed)
    x, group = rng.normal(size=rows), rng.choice(["a", "b", "c"], rows)
    y = x + (group == "a") + 0.3 * rng.normal(size=rows)
    target = np.where(y > 0.3, "yes", "no") if classes else y
    return pl.DataFrame({"x": x, "group": group, "y": target})


def prepared(frame, **question):
    return PreparedTable.of(frame, Question("y", effort="quick", **question))


def flat(pack):
    return [network.parameters.flat.tobytes() for network in pack.networks]


# --- folds -----------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 4), min_size=2, max_size=60), st.integers(2, 7), st.integers(0, 9))
def test_every_fold_has_its_share_of_each_class(classes, folds, seed):
    y = np.array(classes)
    fold = deal(y, folds, seed)
    assert np.ptp(np.bincount(fold, minlength=folds)) <= 1
    for code in range(5):  # a class ends and begins in the midst of a hand of K rows
        assert np.ptp(np.bincount(fold[y == code], minlength=folds)) <= 2


def test_every_fold_has_its_share_of_large_and_small_numbers():
    y = np.random.default_rng(0).normal(size=1000) ** 3
    fold = deal(y, 8, 0)
    assert all((fold[np.argsort(y)[-8:]] == k).sum() == 1 for k in range(8))
    assert (deal(y, 8, 0) == fold).all()
    assert (deal(y, 8, 1) != fold).any()


def test_few_rows_have_few_folds():
    assert [fold_count(n, 8) for n in (4, 9, 15, 39, 40, 10**6)] == [2, 2, 3, 7, 8, 8]


# --- blends ----------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [True, False])
def test_a_blend_is_no_worse_than_the_best_of_its_recipes(classes):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 80) if classes else rng.normal(size=80)
    noise = rng.normal(size=(4, 80, 3 if classes else 1))
    if classes:
        scores = np.exp(noise + 2 * (np.arange(3) == y[:, None]))
        predictions = scores / scores.sum(axis=2, keepdims=True)
    else:
        predictions = y[:, None] + noise
    blend = fit_blend(predictions, y, None, classes=classes)
    assert math.isclose(sum(blend.weights), 1)
    loss = blend_loss(blend.apply(predictions), y, None)
    assert loss < min(blend_loss(p, y, None) for p in predictions)


def test_weights_of_rows_count():
    p = np.array([[[0.9, 0.1], [0.9, 0.1]], [[0.1, 0.9], [0.1, 0.9]]])
    blends = [fit_blend(p, np.array([0, 1]), np.array(w), classes=True) for w in ([9, 1], [1, 9])]
    assert blends[0].weights[0] > 0.5 > blends[1].weights[0]


def test_a_temperature_mends_probabilities_that_are_too_sure():
    rng = np.random.default_rng(0)
    p = 1 / (1 + np.exp(-rng.normal(size=4000)))
    y = (rng.random(4000) < p).astype(int)
    right = np.column_stack([1 - p, p])
    sure = tempered(right, 0.6)
    assert math.isclose(
        fit_blend(sure[None], y, None, classes=True).temperature, 1 / 0.6, abs_tol=0.1
    )
    assert math.isclose(fit_blend(right[None], y, None, classes=True).temperature, 1, abs_tol=0.06)
    assert np.allclose(tempered(right, 2).sum(axis=1), 1)


# --- intervals -------------------------------------------------------------------------------

ONES = FoldErrors(np.ones(9), np.zeros(1), np.ones(1))


@given(st.integers(0, 99), st.sampled_from([0.5, 0.8, 0.9]))
def test_an_interval_is_the_quantile_of_all_predictions_and_errors(seed, coverage):
    rng = np.random.default_rng(seed)
    n = 240
    fold, predicted = rng.integers(0, 3, n), rng.normal(size=n)
    y = predicted + np.exp(predicted) * rng.normal(size=n)  # larger ones are less sure
    errors, new = errors_by_fold(predicted[:, None], y, Folds(fold)), rng.normal(size=(3, 5))
    low, high = interval(new, errors, coverage)
    rank = math.ceil(coverage * (n + 1))
    for row in range(5):
        width = np.empty(n)
        for k in range(3):
            others = fold != k
            at, usual = usual_errors(predicted[others], np.abs(y - predicted)[others])
            here = fold == k
            scale = np.interp(new[k, row], at, usual) / np.interp(predicted[here], at, usual)
            width[here] = scale * np.abs(y - predicted)[here]
        assert math.isclose(high[row], np.sort(new[fold, row] + width)[rank - 1])
        assert math.isclose(low[row], np.sort(new[fold, row] - width)[n - rank])


def test_who_errs_more_on_large_numbers_gets_wider_intervals_there():
    rng = np.random.default_rng(0)
    predicted = rng.uniform(0, 10, 20_000)
    y = predicted + predicted * rng.normal(size=20_000)
    errors = errors_by_fold(predicted[:, None], y, Folds(np.arange(20_000) % 4))
    low, high = interval(np.full((4, 3), [1.0, 5.0, 9.0]), errors, 0.9)
    assert (high - low) / 2 == pytest.approx(1.645 * np.array([1, 5, 9]), rel=0.1)


def test_usual_errors_are_of_a_part_of_the_rows_each():
    at, usual = usual_errors(np.repeat([1.0, 2.0, 3.0], 100), np.repeat([1.0, 4.0, 1.0], 100))
    assert at.tolist() == [1.0, 2.0, 3.0]
    assert usual.tolist() == pytest.approx([4 / 3, 10 / 3, 4 / 3])  # drawn a third to their mean, 2
    assert usual_errors(np.arange(200.0), np.zeros(200))[1].tolist() == [1.0]


@pytest.mark.parametrize("effort", ["much", 3, []])
def test_wrong_efforts_are_refused(effort):
    with pytest.raises(InputError, match="effort must be one of 'quick', 'default', 'best'"):
        TabularModel.fit(table(), "y", effort=effort)


@pytest.mark.parametrize("coverage", [0.0, 1.0, -1.0, 2.0, float("nan")])
def test_wrong_coverages_are_refused(coverage):
    with pytest.raises(InputError, match="between 0 and 1"):
        interval(np.zeros((1, 1)), [ONES], coverage)


def test_too_few_rows_for_a_coverage_are_named():
    with pytest.raises(InputError, match="9 training rows are too few for intervals"):
        interval(np.zeros((1, 1)), [ONES], 0.95)


# --- many trainings at once ------------------------------------------------------------------


def test_results_come_in_the_order_of_the_jobs_whichever_ends_first():
    gate = threading.Event()

    def waits():
        gate.wait()
        return "first"

    assert side_by_side([waits, lambda: gate.set() or "second"], 2, Halt()) == ["first", "second"]


def test_a_mistake_in_a_job_ends_the_others_and_is_raised():
    halt = Halt()

    def runs_until_told():
        while not halt.called:
            pass
        return "ended"

    def fails():
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        side_by_side([runs_until_told, fails, fails], 2, halt)


def test_ctrl_c_lets_what_has_begun_end_and_begins_nothing_more():
    halt, heard = Halt(), []

    def told():
        if not heard:
            heard.append(1)
            raise KeyboardInterrupt

    def runs_until_told():
        while not halt.called:
            pass
        return "kept"

    assert side_by_side([runs_until_told, lambda: "late"], 1, halt, told) == ["kept", None]


# --- the training of a pack ------------------------------------------------------------------


@pytest.fixture(scope="module", params=[True, False], ids=["classes", "numbers"])
def trained(request):
    frame = table(classes=request.param)
    return frame, *pack_training.train_pack(prepared(frame), SHORT)


@pytest.mark.parametrize("threads", [1, 4])
def test_any_number_of_threads_trains_the_same_bytes(trained, threads, monkeypatch):
    frame, pack, training = trained
    monkeypatch.setattr(pack_training, "available_threads", lambda: threads)
    other, again = pack_training.train_pack(prepared(frame), SHORT)
    assert flat(other) == flat(pack)
    assert other.blend == pack.blend
    assert all((a == b).all() for a, b in zip(again.out_of_fold, training.out_of_fold, strict=True))


def test_no_target_of_a_fold_has_gone_into_the_network_that_predicts_it():
    frame = table()
    first = prepared(frame)
    _, training = pack_training.train_pack(first, SHORT)
    rows = training.folds.fold == 0
    turned = np.where(rows, np.where(frame["y"] == "yes", "no", "yes"), frame["y"].to_numpy())
    other = prepared(frame.with_columns(y=pl.Series(turned)))
    seed, most = [0, 0, 0], SHORT.operations
    told = {"seed": seed, "most": most, "halt": Halt(), "time_limit": None, "n_threads": 1}
    one, two = (
        train_member(p, ROUNDS[0][0], np.flatnonzero(~rows), np.flatnonzero(rows), **told)
        for p in (first, other)
    )
    assert one.network.parameters.flat.tobytes() == two.network.parameters.flat.tobytes()


def test_out_of_fold_predictions_are_those_of_the_networks_without_the_fold(trained):
    frame, _, training = trained
    X = prepared(frame).rows.X
    packed, predictions = training.recipes[0], training.out_of_fold[0]
    for k, network in enumerate(packed.networks):
        rows = training.folds.fold == k
        assert (network.predict(X[rows][:, : network.sizes[0]]) == predictions[rows]).all()


def test_the_blend_of_a_fold_is_fitted_on_the_others(trained):
    frame, _, training = trained
    table_ = prepared(frame)
    whole = cross_fit(training, table_)
    rows = training.folds.fold == 0
    changed = prepared(frame)
    y = changed.rows.y.copy()
    y[rows] = y[rows][::-1]
    changed.rows = changed.rows._replace(y=y)
    assert (cross_fit(training, changed)[rows] == whole[rows]).all()


def related(rows=200):
    rng = np.random.default_rng(0)
    frame = table(rows).with_columns(who=pl.Series(rng.integers(0, 25, rows)))
    days = pl.Series(rng.integers(0, 90, rows)).cast(pl.Int32).cast(pl.Date)
    return frame.with_columns(day=days)


@pytest.mark.parametrize("single", [True, False])
def test_groups_stay_on_one_side_of_every_split(single, monkeypatch):
    seen = []
    real = Trainer.__init__

    def noted(self, *args, **kwargs):
        seen.append((kwargs["rows"], kwargs["validation"].rows))
        real(self, *args, **kwargs)

    monkeypatch.setattr(Trainer, "__init__", noted)
    question = Question("y", group="who", effort="" if single else "quick", recipe=Recipe(epochs=1))
    frame = related()
    arranged = arrange(raw_table(frame, None), question, None)
    who = arranged.prepared.relations.groups
    assert arranged.table.n_test > 20
    assert "who" not in [column.name for column in arranged.table.columns]
    model = TabularModel.train(arranged.prepared)
    for rows, judged in seen:
        assert not {*who[rows]} & {*who[judged]}
    if not single:
        folds = model.training.folds
        assert all(len({*folds.fold[who == group]}) == 1 for group in {*who})


def test_later_rows_are_predicted_by_networks_of_earlier_ones_and_then_of_all():
    frame = related()
    question = Question("y", time="day", effort="quick")
    arranged = arrange(raw_table(frame, None), question, None)
    times = arranged.prepared.relations.times
    day = frame["day"].to_physical().to_numpy()
    assert times.max() < np.sort(day)[-arranged.table.n_test :].min()
    pack, training = pack_training.train_pack(arranged.prepared, SHORT)
    folds = training.folds
    for k in range(folds.count):
        assert times[folds.trained_on(k)].max() < times[folds.held_out(k)].min()
    whole = training.cross_fitted
    assert (np.isnan(whole[:, 0]) == ~folds.predicted).all()
    assert 0 < (~folds.predicted).sum() < len(times) / 2
    assert flat(pack) != [n.parameters.flat.tobytes() for p in training.recipes for n in p.networks]
    other, _ = pack_training.train_pack(arranged.prepared, SHORT)
    assert flat(other) == flat(pack)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group": "whom"}, "no column 'whom' to take groups from; did you mean 'who'"),
        ({"time": "group"}, "column 'group' holds no times and no numbers"),
        ({"group": "who", "time": "day"}, "by group or by time; give one of the two"),
        ({"group": "one"}, "column 'one' has one group only"),
        ({"time": "one"}, "column 'one' has one time only"),
        ({"group": "gap"}, "column 'gap', row 3: its group is missing"),
    ],
)
def test_wrong_groups_and_times_are_named(options, message):
    frame = related().with_columns(one=1, gap=pl.Series([1, 2, None] + [1] * 197))
    with pytest.raises(BackpassError, match=message):
        TabularModel.fit(frame, "y", effort="quick", **options)


def test_numbers_in_a_course_of_time_have_intervals_from_all_that_were_later(tmp_path):
    frame = related().with_columns(y=pl.Series(np.arange(200.0)))
    model = TabularModel.fit(frame, "y", time="day", effort="quick")
    assert len(model.pack.errors) == 1
    model.save(tmp_path / "m.backpass")
    again = TabularModel.load(tmp_path / "m.backpass")
    assert again.predict_interval(frame).equals(model.predict_interval(frame))


def test_a_network_without_hidden_layers_is_in_the_first_round():
    assert any(not recipe.hidden_layer_sizes for recipe in ROUNDS[0])
    assert len({r for round_ in ROUNDS for r in round_}) == sum(map(len, ROUNDS))


def test_large_tables_take_fewer_epochs():
    frame = table(400)
    few = Effort(folds=2, recipes=1, operations=3e8)
    _, training = pack_training.train_pack(prepared(frame), few)
    assert training.operations <= few.operations
    assert training.histories[0].epochs < ROUNDS[0][0].epochs


def test_a_recipe_that_diverges_is_left_out_with_a_word(monkeypatch):
    runaway = Recipe(hidden_layer_sizes=(8,), learning_rate=1e30, clip_norm=None)
    monkeypatch.setattr(pack_training, "ROUNDS", ((runaway, Recipe(epochs=2)),))
    with pytest.warns(TableWarning, match="a recipe of the pack diverged and is left out"):
        pack, _ = pack_training.train_pack(prepared(table()), SHORT)
    assert [packed.recipe for packed in pack.recipes] == [Recipe(epochs=2)]
    monkeypatch.setattr(pack_training, "ROUNDS", ((runaway,),))
    with pytest.warns(TableWarning), pytest.raises(NonFiniteError):
        pack_training.train_pack(prepared(table()), SHORT)


def test_a_time_limit_leaves_a_pack():
    pack, training = pack_training.train_pack(prepared(table(), time_limit=1e-3), EFFORTS["best"])
    assert training.stop_reason == "time_limit"
    assert pack.predict(prepared(table()).rows.X).shape == (90, 2)


def test_ctrl_c_keeps_what_is_finished(monkeypatch):
    pressed = []

    def press(training, done, of):
        if training.recipes and not pressed:
            pressed.append(1)
            raise KeyboardInterrupt

    effort = Effort(folds=2, recipes=8, operations=1e12)
    pack, training = pack_training.train_pack(prepared(table()), effort, on_progress=press)
    assert training.stop_reason == "interrupted"
    assert len(training.recipes) >= 2
    assert all(len(packed.networks) == 2 for packed in pack.recipes)


def test_ctrl_c_at_once_keeps_the_networks_that_had_begun():
    def press(training, done, of):
        if not pressed:
            pressed.append(1)
            raise KeyboardInterrupt

    pressed = []
    pack, training = pack_training.train_pack(prepared(table()), EFFORTS["best"], on_progress=press)
    assert training.stop_reason == "interrupted"
    assert pack.predict(prepared(table()).rows.X).shape == (90, 2)


def test_a_pack_goes_on_from_its_checkpoints_to_the_same_bytes(tmp_path):
    whole, _ = pack_training.train_pack(prepared(table()), SHORT)

    def press(training, done, of):
        if done >= 2 and not pressed:
            pressed.append(1)
            raise KeyboardInterrupt

    pressed, written = [], Checkpoints(tmp_path / "run", every=0)
    with suppress(KeyboardInterrupt):
        pack_training.train_pack(prepared(table()), SHORT, checkpoints=written, on_progress=press)
    begun = {path.name for path in parts_in(tmp_path / "run")}
    assert begun
    again = Checkpoints(tmp_path / "run", resume=True)
    pack, _ = pack_training.train_pack(prepared(table()), SHORT, checkpoints=again)
    assert flat(pack) == flat(whole)
    with pytest.raises(InputError, match="it holds checkpoints of a training run; go on with it"):
        Checkpoints(tmp_path / "run")
    one = Recipe(epochs=1)
    with pytest.raises(InputError, match="checkpoints of a pack, and this is a single network"):
        TabularModel.fit(table(), "y", recipe=one, checkpoint=tmp_path / "run", resume=True)
    TabularModel.fit(table(), "y", recipe=one, checkpoint=tmp_path / "one")
    with pytest.raises(InputError, match="checkpoints of a single network, and this is a pack"):
        TabularModel.fit(table(), "y", effort="quick", checkpoint=tmp_path / "one", resume=True)


# --- the model of a pack ---------------------------------------------------------------------


@pytest.fixture(scope="module", params=[True, False], ids=["classes", "numbers"])
def model(request):
    return TabularModel.fit(table(300, classes=request.param), "y", effort="quick")


def test_a_model_comes_back_from_its_file_and_predicts_the_same(model, tmp_path):
    model.save(tmp_path / "a.backpass")
    again = TabularModel.load(tmp_path / "a.backpass")
    rows = table(50, seed=1, classes=model.task == "classification")
    assert again.predict(rows).equals(model.predict(rows))
    assert again.out_of_fold == model.out_of_fold
    again.save(tmp_path / "b.backpass")
    assert (tmp_path / "a.backpass").read_bytes() == (tmp_path / "b.backpass").read_bytes()
    if model.task == "regression":
        assert again.predict_interval(rows).equals(model.predict_interval(rows))


def test_the_out_of_fold_score_is_near_that_of_other_rows(model):
    rows = table(4000, seed=1, classes=model.task == "classification")
    found, told = model.evaluate(rows)[model.main_metric], model.out_of_fold[model.main_metric]
    assert abs(found - told) < 0.05


def test_a_network_of_a_pack_is_given_its_own_columns(model):
    network, X, *_ = model.rows_for_network(table(20, classes=model.task == "classification"))
    assert network.predict(X).shape[0] == 20


def test_intervals_hold_about_what_they_say():
    numbers = TabularModel.fit(table(300, classes=False), "y", effort="quick")
    rows = table(2000, seed=1, classes=False)
    found = numbers.predict_interval(rows, 0.8)
    assert found.columns == ["y", "y_low", "y_high"]
    inside = (found["y_low"] <= rows["y"]) & (rows["y"] <= found["y_high"])
    assert 0.74 < inside.mean() < 0.88
    assert found["y"].equals(numbers.predict(rows))


def test_what_has_no_intervals_says_so():
    classes = TabularModel.fit(table(), "y", recipe=Recipe(epochs=1))
    with pytest.raises(InputError, match="holds classes; intervals are of quantities"):
        classes.predict_interval(table())
    single = TabularModel.fit(table(classes=False), "y", recipe=Recipe(epochs=1))
    with pytest.raises(InputError, match="a single network knows no interval"):
        single.predict_interval(table())


def test_parts_that_do_not_fit_are_refused(model, tmp_path):
    lone, path = model.pack.recipes[0], tmp_path / "m.backpass"
    model.pack, kept = Pack((lone,), Blend((0.7,))), model.pack
    try:
        model.save(path)
    finally:
        model.pack = kept
    with pytest.raises(ModelFileError, match="the weights of its recipes sum to 0"):
        TabularModel.load(path)


def test_a_pack_predicts_the_weighted_mean_of_its_networks():
    networks = [Network([2, 3, 1], seed=seed) for seed in range(4)]
    one, other = (
        PackedRecipe(Recipe(), tuple(pair), (1, 1)) for pair in (networks[:2], networks[2:])
    )
    pack = Pack((one, other), Blend((0.25, 0.75)))
    X = np.random.default_rng(0).normal(size=(5, 2))
    a, b, c, d = (network.predict(X) for network in networks)
    assert np.allclose(pack.predict(X), 0.25 * (a + b) / 2 + 0.75 * (c + d) / 2)
    assert np.allclose(pack.predict_without(X)[1], 0.25 * b + 0.75 * d)


def test_a_network_at_a_time_is_traced_and_checked(model, tmp_path, capsys):
    rows = table(20, classes=model.task == "classification")
    rows.write_csv(tmp_path / "t.csv")
    model.save(tmp_path / "m.backpass")
    count = len([*model.pack.networks])
    command = [str(tmp_path / "m.backpass"), str(tmp_path / "t.csv")]
    for number in (1, count):
        own = model.with_network(number)
        assert own.network is [*model.pack.networks][number - 1]
        assert main(["trace", *command, "--network", str(number)]) == 0
        assert main(["check", *command, "--network", str(number), "--entries", "5"]) == 0
    assert main(["trace", *command, "--network", str(count + 1)]) == 2
    assert f"there is no network {count + 1}: the model has networks 1" in capsys.readouterr().err


def test_fewer_recipes_may_be_asked_for():
    few = TabularModel.fit(table(), "y", effort="quick", recipes=1)
    assert len(few.training.recipes) == 1
    for wrong in ({"recipes": 0, "effort": "quick"}, {"recipes": 2, "recipe": Recipe()}):
        with pytest.raises(InputError, match="recipes must be a number of at least 1, of a pack"):
            TabularModel.fit(table(), "y", **wrong)
