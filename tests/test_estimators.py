"""What our estimators do beyond scikit-learn's, and what they say when they cannot."""

import pickle
import warnings

import joblib
import numpy as np
import pytest
import scipy.sparse
import sklearn
import skops.io
from sklearn.datasets import load_digits, load_iris, make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from backpass import MLPClassifier, MLPRegressor, Network
from backpass.core.activations import ACTIVATIONS
from backpass.core.losses import LOSSES
from backpass.errors import DeadUnitsWarning, InputError, NonFiniteError

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = load_iris(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
LABELS = np.array(["setosa", "versicolor", "virginica"])[y]
REGRESSION_LOSSES = [
    r for r in LOSSES.records() if r.task == "regression" and r.name != "shortfall"
]


@pytest.mark.parametrize("activation", [a.name for a in ACTIVATIONS.records() if a.hidden])
def test_every_hidden_activation_learns(activation):
    classifier = MLPClassifier((12,), activation, max_iter=150, random_state=0, batch_size=25)
    assert classifier.fit(X, LABELS).score(X, LABELS) > 0.9


@pytest.mark.parametrize("loss", REGRESSION_LOSSES, ids=lambda r: r.name)
def test_every_regression_loss_learns(loss):
    target = np.abs(X[:, 0] + 0.5 * X[:, 1]) + 0.1
    regressor = MLPRegressor(
        loss.name,
        (20,),
        max_iter=400,
        random_state=0,
        learning_rate_init=0.01,
        n_iter_no_change=100,
    )
    assert regressor.fit(X, target).score(X, target) > 0.7


@pytest.mark.parametrize(
    "loss", ["log_loss", "cross_entropy:label_smoothing=0.1", "binary_cross_entropy",
             "squared_error", "hinge", "logistic"]
)  # fmt: skip
@pytest.mark.parametrize("n_classes", [2, 3])
def test_every_classifier_loss_learns(loss, n_classes):
    rows = y < n_classes
    classifier = MLPClassifier((12,), loss=loss, max_iter=200, random_state=0, batch_size=25)
    classifier.fit(X[rows], LABELS[rows])
    assert classifier.score(X[rows], LABELS[rows]) > 0.9
    assert set(classifier.predict(X[rows])) <= set(classifier.classes_)
    if loss in ("hinge", "logistic"):
        assert not hasattr(classifier, "predict_proba")
    else:
        p = classifier.predict_proba(X[rows])
        assert p.shape == (rows.sum(), n_classes)
        np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-9)
        np.testing.assert_allclose(np.exp(classifier.predict_log_proba(X[rows])), p)


@pytest.mark.parametrize("loss", ["log_loss", "binary_cross_entropy", "hinge", "squared_error"])
def test_multilabel_losses(loss):
    Y = np.stack([y == 0, y > 0, X[:, 0] > 0], axis=1).astype(int)
    classifier = MLPClassifier((16,), loss=loss, max_iter=300, random_state=0, batch_size=25)
    predicted = classifier.fit(X, Y).predict(X)
    assert predicted.shape == Y.shape
    assert (predicted == Y).mean() > 0.9
    assert classifier.network_.model.activations[-1].name in ("logistic", "identity")


def test_a_loss_of_the_other_task_is_refused():
    with pytest.raises(InputError, match="use MLPRegressor"):
        MLPClassifier(loss="huber").fit(X, y)
    with pytest.raises(InputError, match="use MLPClassifier"):
        MLPRegressor("cross_entropy").fit(X, y)
    with pytest.raises(InputError, match="use binary_cross_entropy"):
        MLPClassifier(loss="cross_entropy").fit(X, np.eye(3, dtype=int)[y] | 1)
    with pytest.raises(InputError, match="did you mean 'huber'"):
        MLPRegressor("hubr").fit(X, y)


@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw", "rmsprop", "lbfgs"])
@pytest.mark.parametrize("schedule", ["constant", "cosine:warmup=0.1", "linear_warmup"])
def test_every_solver_and_schedule_learns(solver, schedule):
    rate = 0.1 if solver == "sgd" else 0.01
    classifier = MLPClassifier(
        (12,), solver=solver, learning_rate=schedule, learning_rate_init=rate, batch_size=25,
        max_iter=60, random_state=0, dropout=0.05, clip_norm=5.0,
    )  # fmt: skip
    assert classifier.fit(X, LABELS).score(X, LABELS) > 0.9


def test_a_list_of_activations_is_used_layer_by_layer():
    classifier = MLPClassifier((8, 7), ["tanh", "leaky_relu:slope=0.2"], max_iter=2).fit(X, y)
    assert classifier.network_.model.specs()[0] == ["tanh", "leaky_relu:slope=0.2", "softmax"]
    with pytest.raises(InputError, match="3 activations given for 2 hidden"):
        MLPClassifier((8, 7), ["tanh", "relu", "relu"]).fit(X, y)


def test_validation_data_restores_the_best_epoch():
    train, val = np.arange(0, 150, 2), np.arange(1, 150, 2)
    classifier = MLPClassifier(
        (16,), max_iter=40, random_state=0, learning_rate_init=0.05, batch_size=10
    )
    classifier.fit(X[train], LABELS[train], validation_data=(X[val], LABELS[val]))
    assert len(classifier.validation_loss_curve_) == classifier.n_iter_
    assert len(classifier.validation_scores_) == classifier.n_iter_
    best = max(classifier.validation_scores_)
    assert classifier.best_validation_score_ == best
    assert classifier.validation_scores_[classifier.best_epoch_ - 1] == best
    assert classifier.score(X[val], LABELS[val]) == best
    at_best = classifier.validation_loss_curve_[classifier.best_epoch_ - 1]
    p = classifier.predict_proba(X[val])[np.arange(75), y[val]]
    np.testing.assert_allclose(-np.log(p).mean(), at_best, rtol=1e-9)


@pytest.mark.parametrize("metric", ["neg_log_loss", "balanced_accuracy", "f1_macro"])
def test_any_scorer_can_judge_epochs(metric):
    classifier = MLPClassifier((8,), max_iter=20, random_state=0, early_stopping_metric=metric)
    classifier.fit(X, LABELS, validation_data=(X[::3], LABELS[::3], np.ones(50)))
    scorer = sklearn.metrics.get_scorer(metric)
    score = scorer(classifier, X[::3], LABELS[::3], sample_weight=np.ones(50))
    np.testing.assert_allclose(classifier.best_validation_score_, score)
    early = MLPClassifier((8,), early_stopping=True, early_stopping_metric=metric, random_state=0)
    assert early.fit(X, LABELS).validation_scores_

    class Rows:
        """A scorer of the user's own, which may look at the rows."""

        def __call__(self, estimator, rows, labels, **extra):
            assert rows.shape == (15, 4)
            return scorer(estimator, rows, labels, **extra)

    own = MLPClassifier((8,), early_stopping=True, early_stopping_metric=Rows(), random_state=0)
    np.testing.assert_allclose(own.fit(X, LABELS).validation_scores_, early.validation_scores_)


def test_bad_validation_data_is_refused():
    with pytest.raises(InputError, match="early_stopping_metric judges nothing"):
        MLPClassifier(early_stopping_metric="f1_macro").fit(X, y)
    for bad in (X, (X,), (X, y, y, y)):
        with pytest.raises(InputError, match="validation_data must be"):
            MLPClassifier().fit(X, y, validation_data=bad)
    with pytest.raises(InputError, match="both X_val and y_val"):
        MLPClassifier().fit(X, y, X_val=X)
    with pytest.raises(InputError, match="classes not in"):
        MLPClassifier().fit(X[:100], y[:100], validation_data=(X, y))
    with pytest.raises(InputError, match="partial_fit does not support early_stopping"):
        MLPClassifier(early_stopping=True).partial_fit(X, y, classes=[0, 1, 2])


def test_class_weight_is_a_sample_weight():
    params = {"hidden_layer_sizes": (6,), "max_iter": 5, "random_state": 0}
    weights = {"setosa": 1.0, "versicolor": 2.0, "virginica": 0.5}
    s = np.array([weights[label] for label in LABELS])
    by_class = MLPClassifier(**params, class_weight=weights).fit(X, LABELS)
    by_sample = MLPClassifier(**params).fit(X, LABELS, sample_weight=s)
    np.testing.assert_array_equal(
        by_class.network_.parameters.flat, by_sample.network_.parameters.flat
    )
    balanced = MLPClassifier(**params, class_weight="balanced").fit(X[20:], LABELS[20:])
    assert np.isfinite(balanced.loss_)


def test_time_limit_stops_training_and_keeps_it():
    rng = np.random.default_rng(0)
    big, labels = rng.normal(size=(20_000, 30)), rng.integers(0, 2, 20_000)
    for solver in ("adam", "lbfgs"):
        classifier = MLPClassifier((100,), solver=solver, max_iter=10_000, time_limit=0.5, tol=0)
        classifier.fit(big, labels)
        assert classifier.stop_reason_ == "time_limit"
        assert classifier.n_iter_ < 10_000
        assert classifier.predict(big[:5]).shape == (5,)


def test_dropout_depends_on_the_seed_only():
    params = {"hidden_layer_sizes": (20,), "max_iter": 5, "dropout": 0.5}
    a, b, c = (
        MLPClassifier(**params, random_state=seed).fit(X, y).network_.parameters.flat
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()


def test_gradient_norms_are_recorded():
    classifier = MLPClassifier((8, 6), max_iter=4, gradient_norms=True, random_state=0).fit(X, y)
    norms = np.array(classifier.layer_gradient_norms_)
    assert norms.shape == (4, 3)
    _, gradients = classifier.network_.loss_and_gradients(X, y)
    last = [
        np.hypot(np.linalg.norm(W), np.linalg.norm(b))
        for W, b in zip(gradients.weights, gradients.biases, strict=True)
    ]
    np.testing.assert_allclose(norms[-1], last)
    found = classifier.network_.gradient_noise(X, y)
    assert len(classifier.mean_squared_gradient_norms_) == len(classifier.gradient_noise_) == 4
    np.testing.assert_allclose(classifier.mean_squared_gradient_norms_[-1], found.mean_squared)
    np.testing.assert_allclose(classifier.gradient_noise_[-1], found.noise)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "uint8", "bool", "float16"])
def test_dtypes_are_kept_and_integers_are_not_cast_whole(dtype):
    data = (X > 0).astype(dtype)
    classifier = MLPClassifier((6,), max_iter=5, random_state=0).fit(data, y)
    expected = np.float32 if dtype == "float32" else np.float64
    assert classifier.coefs_[0].dtype == expected
    assert classifier.predict_proba(data).dtype == expected
    same = MLPClassifier((6,), max_iter=5, random_state=0).fit(data.astype(expected), y)
    np.testing.assert_array_equal(
        classifier.network_.parameters.flat, same.network_.parameters.flat
    )


@pytest.mark.parametrize(
    "change",
    [
        np.asfortranarray,
        lambda a: a[::-1][::-1],
        lambda a: np.ascontiguousarray(np.repeat(a, 2, axis=1))[:, ::2],
        lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),  # read-only
        lambda a: a.astype(">f8"),
        scipy.sparse.csr_array,
        scipy.sparse.csc_array,
        scipy.sparse.csr_matrix,
    ],
)
def test_the_layout_of_the_data_does_not_matter(change):
    params = {"hidden_layer_sizes": (6,), "max_iter": 5, "random_state": 0}
    plain = MLPClassifier(**params).fit(X, y)
    changed = MLPClassifier(**params).fit(change(X), y)
    for a, b in zip(plain.coefs_, changed.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)
    np.testing.assert_array_equal(plain.predict(X), changed.predict(change(X)))


def test_a_memmap_is_trained_on(tmp_path):
    data = np.memmap(tmp_path / "x.dat", "float32", "w+", shape=X.shape)
    data[:] = X
    classifier = MLPClassifier((6,), max_iter=200, random_state=0, batch_size=25).fit(data, y)
    assert classifier.score(data, y) > 0.9


def test_estimators_survive_every_way_of_copying(tmp_path):
    pipeline = make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=20, random_state=0))
    pipeline.fit(X, LABELS)
    joblib.dump(pipeline, tmp_path / "m.joblib")
    skops.io.dump(pipeline, tmp_path / "m.skops")
    unknown = skops.io.get_untrusted_types(file=tmp_path / "m.skops")
    assert all(name.startswith("backpass.") for name in unknown), unknown
    for copy in (
        pickle.loads(pickle.dumps(pipeline)),
        joblib.load(tmp_path / "m.joblib"),
        skops.io.load(tmp_path / "m.skops", trusted=unknown),
    ):
        np.testing.assert_array_equal(copy.predict_proba(X), pipeline.predict_proba(X))
        mlp = copy[-1]
        mlp.coefs_[0][...] = 0  # still a view of the network's buffer
        assert (mlp.network_.weights[0] == 0).all()
        np.testing.assert_array_equal(pipeline.predict(X), pipeline.predict(X))


def test_it_works_in_grid_search_and_cross_validation():
    pipeline = make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=200, random_state=0))
    grid = GridSearchCV(pipeline, {"mlpclassifier__alpha": [1e-4, 1e-2]}, cv=3, n_jobs=2)
    assert grid.fit(X, LABELS).best_score_ > 0.7
    data, target = make_regression(200, 5, random_state=0)
    regressor = MLPRegressor(solver="lbfgs", random_state=0)
    assert cross_val_score(regressor, data, target / 100, cv=3).mean() > 0.9


def test_metadata_is_routed_through_a_pipeline():
    s = np.random.default_rng(0).uniform(0.5, 2, len(X))
    scaled = StandardScaler().fit_transform(X)
    params = {"hidden_layer_sizes": (8,), "max_iter": 5, "random_state": 0}
    plain = MLPClassifier(**params)
    plain.fit(scaled, y, s, validation_data=(scaled[::2], y[::2]))
    with sklearn.config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        mlp = MLPClassifier(**params).set_fit_request(
            sample_weight=True, validation_data=True, X_val=True, y_val=True
        )
        whole = make_pipeline(scaler, mlp)
        whole.fit(X, y, sample_weight=s, validation_data=(scaled[::2], y[::2]))
        in_parts = make_pipeline(scaler, mlp, transform_input=["X_val"])
        in_parts.fit(X, y, sample_weight=s, X_val=X[::2], y_val=y[::2])
    for pipeline in (whole, in_parts):
        assert pipeline[-1].validation_scores_ == plain.validation_scores_
        np.testing.assert_array_equal(plain.coefs_[0], pipeline[-1].coefs_[0])


def test_callbacks_of_scikit_learn(capsys):
    callback = pytest.importorskip("sklearn.callback", reason="scikit-learn 1.9 brings callbacks")
    mlp = MLPClassifier((8,), max_iter=6, random_state=0)
    mlp.set_callbacks(callback.ProgressBar()).fit(X, y)
    assert "MLPClassifier - fit" in capsys.readouterr().out
    pipeline = make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=6, random_state=0))
    pipeline.set_callbacks(callback.ProgressBar(max_propagation_depth=None)).fit(X, y)
    grid = GridSearchCV(pipeline.set_callbacks(), {"mlpclassifier__alpha": [0, 1]}, cv=2)
    grid.set_callbacks(callback.ProgressBar(max_propagation_depth=None)).fit(X, y)
    assert "GridSearchCV - fit" in capsys.readouterr().out

    class Stop:
        """Stops after the third epoch, and sees a network that can predict."""

        epochs = 0

        def setup(self, estimator, context): ...
        def teardown(self, estimator, context): ...
        def on_fit_task_begin(self, estimator, context): ...
        def on_fit_task_end(self, estimator, context, *, X, fitted_estimator):
            if context.task_name != "epoch":
                return False
            assert fitted_estimator.predict(X).shape == (150,)
            self.epochs += 1
            return self.epochs == 3

    stopped = MLPClassifier((8,), max_iter=20, random_state=0).set_callbacks(Stop()).fit(X, y)
    assert stopped.n_iter_ == 3
    assert stopped.stop_reason_ == "callback"


def test_a_loss_that_overflows_stops_the_fit_and_says_where():
    data, target = make_regression(500, 5, noise=1, random_state=0)
    regressor = MLPRegressor(solver="sgd", learning_rate_init=10.0, random_state=0)
    with pytest.raises(NonFiniteError, match=r"epoch \d+, step \d+, at learning rate 10"):
        regressor.fit(data, target)
    clipped = MLPRegressor(solver="sgd", learning_rate_init=0.1, clip_norm=1.0, max_iter=5)
    assert np.isfinite(clipped.fit(data, target).loss_)
    with pytest.raises(NonFiniteError, match="where L-BFGS starts"):
        MLPRegressor(solver="lbfgs").fit(data * 1e200, target)


def test_dead_relu_units_are_warned_about():
    rng = np.random.default_rng(0)
    data, target = rng.normal(size=(300, 4)), rng.normal(size=300)
    regressor = MLPRegressor(
        solver="sgd", learning_rate_init=1.0, momentum=0.0, clip_norm=30.0, random_state=0,
        max_iter=20,
    )  # fmt: skip
    with pytest.warns(DeadUnitsWarning, match=r"hidden layer 1: \d+ of 100 ReLU units"):
        regressor.fit(data, target * 100)


def test_no_convergence_is_warned_about_as_scikit_learn_does():
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(2\) reached"):
        MLPClassifier(max_iter=2).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MLPClassifier(random_state=0).partial_fit(X, y, classes=[0, 1, 2])


def test_interruption_keeps_what_there_is():
    class Interrupt(MLPClassifier):
        def _bp_default_score(self, *judged):
            self.calls = getattr(self, "calls", 0) + 1
            if self.calls == 3:
                raise KeyboardInterrupt
            return super()._bp_default_score(*judged)

    classifier = Interrupt((8,), early_stopping=True, random_state=0, max_iter=50)
    with pytest.warns(UserWarning, match="interrupted"):
        classifier.fit(X, y)
    assert classifier.stop_reason_ == "interrupted"
    assert classifier.predict(X).shape == (150,)


@pytest.mark.parametrize(
    ("parameter", "value", "words"),
    [
        ("alpha", -1, "a number of at least 0"),
        ("alpha", "0.1", "a number of at least 0"),
        ("batch_size", 0, "'auto' or an integer"),
        ("dropout", 1.0, "below 1"),
        ("solver", "newton", "one of lbfgs"),
        ("learning_rate", "exp", "unknown schedule"),
        ("learning_rate_init", 0, "positive"),
        ("max_iter", 1.5, "integer"),
        ("n_iter_no_change", 0, "≥ 1"),
        ("hidden_layer_sizes", (3, -1), "hidden_layer_sizes must be integers"),
        ("hidden_layer_sizes", 0, "hidden_layer_sizes must be integers"),
        ("activation", "swish", "unknown activation"),
        ("activation", "softmax", "for the output only"),
        ("engine", "warp", "unknown engine"),
        ("time_limit", 0, "positive"),
        ("n_threads", 0, "≥ 1"),
        ("clip_norm", -1, "positive"),
        ("early_stopping_metric", "nope", "nope"),
        ("validation_fraction", 1.0, "below 1"),
    ],
)
def test_bad_parameters_are_named(parameter, value, words):
    classifier = MLPClassifier(**{"early_stopping": True, parameter: value})
    with pytest.raises(ValueError, match=words):
        classifier.fit(X, y)


def test_bad_weights_are_refused():
    for s in (-np.ones(150), np.zeros(150)):
        with pytest.raises(ValueError, match=r"[Ss]ample.weight"):
            MLPClassifier().fit(X, y, sample_weight=s)


def test_a_batch_without_weight_changes_nothing():
    s = np.ones(150)
    s[:50] = 0
    classifier = MLPClassifier((6,), batch_size=25, shuffle=False, max_iter=3, random_state=0)
    classifier.fit(X, y, sample_weight=s)
    weighted = MLPClassifier((6,), batch_size=25, shuffle=False, max_iter=3, random_state=0)
    weighted.partial_fit(X[50:], y[50:], classes=[0, 1, 2])
    assert np.isfinite(classifier.loss_)


def test_the_network_is_the_estimator():
    digits, labels = load_digits(return_X_y=True)
    classifier = MLPClassifier((12,), max_iter=3, random_state=0).fit(digits, labels)
    assert isinstance(classifier.network_, Network)
    np.testing.assert_array_equal(
        classifier.network_.predict(digits), classifier.predict_proba(digits)
    )
    assert classifier.engine_ in ("reference", "native")
    assert not hasattr(MLPClassifier(), "coefs_")
    assert not hasattr(MLPClassifier(solver="lbfgs"), "partial_fit")


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_a_model_whose_parameters_are_mapped_read_only_can_go_on_training(tmp_path, engine):
    X, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 2
    options = {"max_iter": 2, "random_state": 0, "engine": engine, "n_threads": np.int64(1)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier = MLPClassifier((4,), **options).fit(X, y)
    joblib.dump(classifier, tmp_path / "model.joblib")
    mapped = joblib.load(tmp_path / "model.joblib", mmap_mode="r").partial_fit(X, y)
    expected = classifier.partial_fit(X, y)
    np.testing.assert_array_equal(mapped.predict_proba(X), expected.predict_proba(X))


def test_a_damaged_csr_matrix_is_refused_before_scipy_follows_it():
    X = scipy.sparse.csr_matrix(np.eye(6))
    X.indptr[2] = 10**6
    with pytest.raises(InputError, match="damaged CSR matrix"):
        MLPClassifier((4,)).fit(X, np.arange(6) % 2)
