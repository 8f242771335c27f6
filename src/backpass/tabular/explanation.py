"""What mattered to a model, and why a row was given its number: columns, not inputs of a network.

All of it is told from encoded rows that the model was not trained on. A column's outputs, its bins
among them, are taken together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backpass.core.losses import LOSSES
from backpass.network.network import Network
from backpass.tabular.column_values import date_of_day
from backpass.tabular.columns import CategoryColumn, Column, DateColumn, NumberColumn
from backpass.tabular.encoding import TableEncoding
from backpass.tabular.pack.blending import row_losses
from backpass.tabular.pack.pack import Pack, output_of
from backpass.tabular.preparation import Encoded

Matrix = NDArray[Any]

REPEATS = 3  # shuffles of each column, whose differences say how far one can be trusted
MOST_COLUMNS = 60  # that are shuffled: those that move the prediction most
WORK = 5e10  # operations of all shuffles together: about a second
FEWEST_ROWS = 200  # to shuffle, where there are as many
POINTS = 15  # of a curve of partial dependence
DEPENDENCE_ROWS = 200  # whose mean is a point of it
SEGMENT_ROWS = 30  # of the fewest that are called a part of the table
CALIBRATION_BINS = 10


@dataclass(frozen=True)
class Importance:
    """How much a model relies on a column."""

    name: str
    # of the log-loss (nats) where the column is shuffled among the rows; of a regression the R²
    # that is lost
    rise: float
    spread: float  # standard deviation of that over the shuffles
    effect: float  # mean of |∂ŷ/∂x · (x − reference)|, in units of the target or of probability


@dataclass(frozen=True)
class Dependence:
    """What is predicted on average where a column has some value in all rows."""

    name: str
    values: list[str]
    # of a column of numbers or dates, the same values (days since 1970); empty of categories
    numbers: list[float]
    predictions: list[float]  # in units of the target, or the probability of the last class
    dates: bool = False  # whether they are dates


@dataclass(frozen=True)
class Segment:
    """A part of the table in which a model errs more than elsewhere."""

    # the column, and what it is there
    name: str
    value: str
    rows: int
    # there and in all other rows: the log-loss (nats), or the root of the mean squared error in
    # units of the target
    loss: float
    elsewhere: float
    measure: str = "log-loss"  # which of the two


@dataclass(frozen=True)
class Explanation:
    """What mattered to a model on rows that it was not trained on.

    Attributes
    ----------
    importances : list of Importance
        The most important column first.
    dependence : list of Dependence
        Of the three most important ones.
    segments : list of Segment
        Up to three, the worst first.
    calibration : list of (float, float, int)
        Of a classification: mean probability of the predicted class, part of the rows of which it
        is right, and rows; by ranges of that probability.
    calibration_error : float or None
        Mean difference of the two, by rows.
    """

    importances: list[Importance] = field(default_factory=list)
    dependence: list[Dependence] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    calibration: list[tuple[float, float, int]] = field(default_factory=list)
    calibration_error: float | None = None


def explain(
    predictor: Network | Pack,
    encoder: TableEncoding,
    rows: Encoded,
    output: Matrix,
    *,
    unit: tuple[float, float] = (0.0, 1.0),
    reference: NDArray[Any] | None = None,
    seed: int = 0,
) -> Explanation:
    """Return what mattered to a model.

    Parameters
    ----------
    predictor : Network or Pack
    encoder : TableEncoding
    rows : Encoded
        That the model was not trained on.
    output : array of shape (N, k)
        What it predicts for them.
    unit : (float, float)
        Centre and scale of a regression's target.
    reference : array of shape (width,), optional
        As of :func:`effects`.
    seed : int
        Of the shuffles.

    Examples
    --------
    >>> table = {"x": [i / 50 for i in range(100)], "z": [i % 7 for i in range(100)]}
    >>> encoder = TableEncoding().fit(table)
    >>> network = Network([2, 1], seed=0, dtype="float32")
    >>> network.parameters.flat[:] = [1.0, 0.0, 0.0]
    >>> X = encoder.transform(table)
    >>> rows = Encoded(X, X[:, 0], None)
    >>> [i.name for i in explain(network, encoder, rows, network.predict(X)).importances]
    ['x', 'z']
    """
    places = column_places(encoder)
    if not places or len(rows.y) < 2:
        return Explanation()
    moved = np.abs(effects(predictor, encoder, rows.X, reference=reference)).mean(axis=0)
    found = _importances(predictor, places, rows, moved * _scale(predictor, unit), seed)
    best = [importance.name for importance in found[:3]]
    columns = {column.name: column for column in encoder.columns_}
    dependence = [
        _dependence(predictor, encoder, columns[name], places[name], rows.X, unit) for name in best
    ]
    told: dict[str, Any] = {}
    if output.shape[1] > 1:
        told["calibration"], told["calibration_error"] = calibration(rows.y, output)
    losses = row_losses(output, rows.y)
    segments = _segments(encoder, places, rows.X, losses)
    if output.shape[1] == 1:
        segments = [
            replace(s, loss=roots[0], elsewhere=roots[1], measure="RMSE")
            for s in segments
            for roots in [[unit[1] * float(np.sqrt(x)) for x in (s.loss, s.elsewhere)]]
        ]
    return Explanation(found, dependence, segments, **told)


def column_places(encoder: TableEncoding) -> dict[str, NDArray[np.intp]]:
    """Return the outputs of each column that has some, its bins among them."""
    begin, own = 0, dict[str, list[int]]()
    by_output: dict[int, str] = {}
    for column in encoder.columns_:
        if column.width:
            own[column.name] = [*range(begin, begin + column.width)]
            by_output |= dict.fromkeys(own[column.name], column.name)
        begin += column.width
    for i, place in enumerate(encoder.bins_.by_bin[0]):
        own[by_output[int(place)]].append(begin + i)
    return {name: np.array(outputs, dtype=np.intp) for name, outputs in own.items()}


# --- why this row ----------------------------------------------------------------------------


def effects(
    predictor: Network | Pack,
    encoder: TableEncoding,
    X: Matrix,
    *,
    reference: NDArray[Any] | None = None,
) -> NDArray[np.float64]:
    """Return how far each column moves each prediction: ∂ŷ/∂x · (x − reference), (N, columns).

    The derivative is that of the backward pass to the inputs (B2a, down to layer 0); the outputs of
    a column are summed. ŷ is the number in units of the encoded target, or the probability of the
    class that is predicted.

    Parameters
    ----------
    predictor : Network or Pack
    encoder : TableEncoding
    X : array of shape (N, width)
        Encoded rows.
    reference : array of shape (width,), optional
        The encoded row that they are compared with; by default that of median numbers, and of
        categories of which each level is as likely.
    """
    told = reference_row(encoder) if reference is None else reference
    moved = input_gradients(predictor, X) * (X.astype(np.float64) - told)
    places = column_places(encoder).values()
    return np.column_stack([moved[:, outputs].sum(axis=1) for outputs in places])


def reference_row(encoder: TableEncoding, X: Matrix | None = None) -> NDArray[np.float64]:
    """Return the encoded row of median numbers, and of categories as frequent as in `X`."""
    row = np.zeros(encoder.width)
    begin = 0
    for column in encoder.columns_:
        outputs = slice(begin, begin + column.width)
        if isinstance(column, CategoryColumn) and column.width:
            row[outputs] = 1 / column.width if X is None else X[:, outputs].mean(axis=0)
        begin += column.width
    plain = row[None, :begin].copy()
    encoder.bins_.encode(plain, row[None, begin:])
    return row


def input_gradients(predictor: Network | Pack, X: Matrix) -> NDArray[np.float64]:
    """Return ∂ŷ/∂X, (N, d): of the number, or of the probability of the predicted class."""
    output = predictor.predict(X)
    classes = output.argmax(axis=1) if output.shape[1] > 1 else None
    if isinstance(predictor, Network):
        return _network_gradients(predictor, X, classes)
    total = np.zeros(X.shape)
    for packed, weight in zip(predictor.recipes, predictor.blend.weights, strict=True):
        for network in packed.networks:
            width = network.sizes[0]
            own = _network_gradients(network, X[:, :width], classes)
            total[:, :width] += weight / len(packed.networks) * own
    return total


def _network_gradients(
    network: Network, X: Matrix, classes: NDArray[np.intp] | None
) -> NDArray[np.float64]:
    """Return the derivative of a network's number or probability to its inputs.

    The backward pass begins at a cost: with y = ŷ − 1 that of half the squared error has the
    derivative ŷ − y = 1, and that of the cross-entropy is −log p, so that ∂p/∂x = −p ∂C/∂x. The
    cost is a mean over N rows.
    """
    X = np.ascontiguousarray(X)
    cost = LOSSES.get_record("squared_error" if classes is None else "cross_entropy")
    network = Network.from_model(replace(network.model, loss=cost))  # whatever it was trained by
    output = output_of(network, X)
    y = output[:, 0] - 1 if classes is None else classes
    gradients = np.asarray(network.loss_and_gradients(X, y)[1].inputs) * len(X)
    if classes is None:
        return np.asarray(gradients, dtype=np.float64)
    p = output[np.arange(len(X)), classes]
    return np.asarray(-p[:, None] * gradients, dtype=np.float64)


# --- what mattered ---------------------------------------------------------------------------


def _scale(predictor: Network | Pack, unit: tuple[float, float]) -> float:
    network = predictor if isinstance(predictor, Network) else predictor.first.networks[0]
    return unit[1] if network.sizes[-1] == 1 else 1.0


def _importances(
    predictor: Network | Pack,
    places: dict[str, NDArray[np.intp]],
    rows: Encoded,
    moved: NDArray[np.float64],
    seed: int,
) -> list[Importance]:
    """Return the importance of each column: what the loss gains where it is shuffled."""
    networks = [predictor] if isinstance(predictor, Network) else [*predictor.networks]
    names = list(places)
    shuffled = sorted(np.argsort(-moved, kind="stable")[:MOST_COLUMNS].tolist())
    each = 2.0 * sum(network.parameters.flat.size for network in networks)
    most = int(WORK / (each * REPEATS * len(shuffled)))
    rng = np.random.default_rng(seed)
    n = min(len(rows.y), max(FEWEST_ROWS, most))
    part = rows.of(np.sort(rng.permutation(len(rows.y))[:n]))
    weights = part.sample_weight

    classes = networks[0].sizes[-1] > 1
    whole = 1.0 if classes else float(np.var(part.y)) or 1.0

    def loss(X: Matrix) -> float:
        each = row_losses(predictor.predict(X), part.y)
        return float(np.average(each, weights=weights)) / whole

    before, found = loss(part.X), []
    for i in shuffled:
        outputs, rises = places[names[i]], []
        for _ in range(REPEATS):
            X = part.X.copy()
            X[:, outputs] = part.X[rng.permutation(n)][:, outputs]
            rises.append(loss(X) - before)
        found.append(
            Importance(names[i], float(np.mean(rises)), float(np.std(rises)), float(moved[i]))
        )
    return sorted(found, key=lambda importance: -importance.rise)


def _dependence(
    predictor: Network | Pack,
    encoder: TableEncoding,
    column: Column,
    outputs: NDArray[np.intp],
    X: Matrix,
    unit: tuple[float, float],
) -> Dependence:
    """Return the mean prediction where all rows have some value of a column, for several."""
    part = X[np.linspace(0, len(X) - 1, min(len(X), DEPENDENCE_ROWS)).astype(np.intp)]
    own = X[:, outputs]
    if isinstance(column, CategoryColumn):
        kinds = [i for i in range(column.width) if own[:, i].any()][:POINTS]
        patterns = [np.eye(column.width)[i] for i in kinds]
        values = [column.outputs[i].removeprefix(f"{column.name}=") for i in kinds]
        numbers: list[float] = []
    else:  # rows that have these values, so that cycles and bins are what they are there
        order = np.argsort(own[:, 0], kind="stable")
        chosen = order[np.linspace(0, len(order) - 1, POINTS).astype(np.intp)]
        chosen = chosen[np.unique(own[chosen, 0], return_index=True)[1]]
        patterns = list(own[chosen])
        numbers = [float(v) for v in raw_values(column, own[chosen, 0], encoder.clip)]
        values = [shown_value(column, v) for v in numbers]
    predictions = []
    for pattern in patterns:
        changed = part.copy()
        changed[:, outputs] = pattern
        output = predictor.predict(changed)
        mean = float(output[:, -1].mean())
        predictions.append(mean if output.shape[1] > 1 else unit[0] + unit[1] * mean)
    return Dependence(column.name, values, numbers, predictions, isinstance(column, DateColumn))


def raw_values(column: Column, scaled: NDArray[Any], clip: float) -> NDArray[np.float64]:
    """Return the numbers, or days since 1970, that a column's first output stands for."""
    assert isinstance(column, NumberColumn | DateColumn)
    t = np.clip(scaled.astype(np.float64) / clip, -0.999_999, 0.999_999)
    values = column.center + column.scale * clip * t / np.sqrt(1 - t**2)
    # float32 has seven digits of the scaled number: what stood there had fewer
    step = 10.0 ** np.floor(np.log10(column.scale) - 5) if column.scale > 0 else 1.0
    result: NDArray[np.float64] = np.round(values / step) * step + 0.0  # no −0
    return result


def shown_value(column: Column, value: float) -> str:
    """Return a number of a column as text, days since 1970 as a date."""
    return date_of_day(value) if isinstance(column, DateColumn) else f"{value:.6g}"


def calibration(
    y: NDArray[Any], probabilities: Matrix
) -> tuple[list[tuple[float, float, int]], float]:
    """Return how often predicted classes are right by how sure they are, and the mean difference.

    Examples
    --------
    >>> p = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
    >>> curve, error = calibration(np.array([0, 0, 1, 0]), p)
    >>> [(round(mean, 2), right, rows) for mean, right, rows in curve], round(error, 2)
    ([(0.6, 0.5, 2), (0.9, 1.0, 2)], 0.1)
    """
    sure = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == y
    place = np.minimum((sure * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    curve = [
        (float(sure[place == i].mean()), float(right[place == i].mean()), int((place == i).sum()))
        for i in np.unique(place)
    ]
    error = sum(abs(mean - part) * rows for mean, part, rows in curve) / len(y)
    return curve, error


def _segments(
    encoder: TableEncoding,
    places: dict[str, NDArray[np.intp]],
    X: Matrix,
    losses: NDArray[np.float64],
) -> list[Segment]:
    """Return the parts of the table with the largest losses, beyond twice their standard error."""
    found: list[tuple[float, Segment]] = []
    for column in encoder.columns_:
        if column.name not in places:
            continue
        for value, rows in _parts(column, X[:, places[column.name][: column.width]], encoder.clip):
            n = int(rows.sum())
            if not SEGMENT_ROWS <= n <= len(losses) - SEGMENT_ROWS:
                continue
            here, there = losses[rows], losses[~rows]
            error = np.sqrt(here.var() / n + there.var() / len(there))
            beyond = (here.mean() - there.mean()) / max(error, 1e-12)
            if beyond > 3:  # of many parts some are beyond 2 by chance
                segment = Segment(column.name, value, n, float(here.mean()), float(there.mean()))
                found.append((float(here.mean() - there.mean()), segment))
    return [segment for _, segment in sorted(found, key=lambda pair: -pair[0])[:3]]


def _parts(column: Column, own: Matrix, clip: float) -> Sequence[tuple[str, NDArray[np.bool_]]]:
    """Return the parts of the rows by a column: each level, or lowest and highest quarter."""
    if isinstance(column, CategoryColumn):
        names = [output.removeprefix(f"{column.name}=") for output in column.outputs]
        return [(name, own[:, i] > 0) for i, name in enumerate(names)]
    assert isinstance(column, NumberColumn | DateColumn)
    parts: list[tuple[str, NDArray[np.bool_]]] = []
    if column.scale > 0:
        low, high = np.quantile(own[:, 0], [0.25, 0.75])
        first, last = (
            shown_value(column, float(v)) for v in raw_values(column, np.array([low, high]), clip)
        )
        parts = [(f"≤ {first}", own[:, 0] <= low), (f"≥ {last}", own[:, 0] >= high)]
    return [*parts, ("missing", own[:, -1] > 0)] if column.missing else parts
