"""Train networks on extreme numbers with either engine, and judge how that ends."""

import random
import re
import sys
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from reliability._extremes import Case, Wrong, draw
from reliability._first_loss import first_loss

from backpass.core.optimizers import OPTIMIZERS
from backpass.core.requirements import usable_weights
from backpass.errors import BackpassError, InputError, NonFiniteError
from backpass.network.batch import refuse_overflow
from backpass.network.network import Network
from backpass.storage.container import read_container
from backpass.training.checkpoints import KIND, checkpoints_in
from backpass.training.snapshots import SNAPSHOT_SCHEMA
from backpass.training.trainer import train

ENGINES = ("native", "reference")
SECONDS = 20.0  # after which a training run of 3 epochs is called hung
CHECKPOINTED = 10  # every so many cases also write checkpoints
# The float32 sums of the readable engine overflow so many times earlier than the doubles that the
# fast one adds up in: rows, outputs, and the weights of an average of 24.
MARGIN = 1e6
# Where the last digits of a parameter move a pre-activation by so much, which engine is the first
# to leave the range is a matter of rounding.
ROUNDING_DECIDES = 1e-3


@dataclass
class Counts:
    """What was seen."""

    runs: int = 0
    right: int = 0
    stopped: int = 0  # by a NonFiniteError
    refused: int = 0  # by an InputError
    compared: int = 0  # first losses, with wider numbers
    pairs: int = 0  # of runs of the two engines
    apart: int = 0  # pairs whose growth told them apart by a step
    checkpoints: int = 0  # that were read
    wrong: list[str] = field(default_factory=list)  # neither right nor a clear stop
    met: Counter[str] = field(default_factory=Counter)  # activations, losses, optimisers, …


@dataclass(frozen=True)
class End:
    """How a run ended: None or the error, the losses of its epochs, and how far it went."""

    error: BackpassError | None
    losses: list[float]
    largest: float  # parameter after an epoch

    def at(self, what: str) -> int | None:
        """Return the epoch or the step that a NonFiniteError names."""
        found = re.search(rf"{what} (\d+)", str(self.error))
        return int(found[1]) if found else None


def run(case: Case, engine: str, counts: Counts, folder: Path | None) -> End:
    """Train once; raise Wrong where something is not as it must be."""
    network, (X, y, s) = case.network(), case.data()
    before, losses, largest = network.parameters.flat.copy(), [], [0.0]
    started = time.monotonic()
    options = {} if folder is None else {"checkpoint": folder, "checkpoint_every": 0.0}

    def note(history: Any) -> None:
        losses[:] = history.loss_curve
        largest.append(float(np.abs(network.parameters.flat).max()))

    try:
        with warnings.catch_warnings(action="error"):
            train(
                network, X, y, s, seed=0, engine=engine, on_epoch=note, **case.settings, **options
            )
    except BackpassError as error:
        judge_stop(error, np.array_equal(network.parameters.flat, before))
        if case.tame:
            raise Wrong(f"ordinary settings stopped: {error}") from error
        end = End(error, losses, max(largest))
    except Exception as error:  # a warning, or anything that has no name of ours
        raise Wrong(f"{type(error).__name__}: {error}") from error
    else:
        judge_end(network, X, losses)
        end = End(None, losses, max(largest))
    if time.monotonic() - started > SECONDS:
        raise Wrong("it took too long")
    if folder is not None:  # the best loss is infinite where there is none yet
        counts.checkpoints += judge_checkpoints(folder, {"best"})
    return end


def judge_stop(error: BackpassError, unchanged: bool) -> None:
    """Raise Wrong unless the message says what, where and how to mend, on one line."""
    text = str(error)
    if not unchanged:
        raise Wrong(f"the network is not as it was after: {text}")
    if "\n" in text or len(text) > 400:
        raise Wrong(f"not one line: {text}")
    where = r"epoch \d+.*(at learning rate|step \d+)"
    if isinstance(error, NonFiniteError) and not re.search(where, text):
        raise Wrong(f"it does not say where: {text}")
    if not isinstance(error, InputError | NonFiniteError):
        raise Wrong(f"{type(error).__name__} is not about input: {text}")


def judge_end(network: Network, X: Any, losses: list[float]) -> None:
    """Raise Wrong unless everything that is left is finite, or refused when it is asked for."""
    if not network.model.is_finite():
        raise Wrong("parameters are not finite, and nothing was said")
    if not np.isfinite(losses).all():
        raise Wrong(f"losses are not finite: {losses}")
    with warnings.catch_warnings(action="error"):
        predicted = network.predict(X)
        try:
            refuse_overflow(predicted)
        except InputError:
            return
    activation = network.model.activations[-1].name
    if activation in ("softmax", "logistic") and not (
        predicted.min() >= 0 and predicted.max() <= 1
    ):
        raise Wrong("a probability lies outside of [0, 1]")
    if activation == "softmax":
        off = np.abs(predicted.astype(np.float64).sum(axis=1) - 1).max()
        if off > 8 * predicted.shape[1] * np.finfo(predicted.dtype).eps:
            raise Wrong(f"probabilities of a row sum to 1 ± {off:.3g}")


def judge_checkpoints(folder: Path, but: set[str]) -> int:
    """Raise Wrong unless all that checkpoints hold, but for some arrays by name, is finite."""
    paths = checkpoints_in(folder)
    for path in paths:
        _, arrays = read_container(path, KIND, SNAPSHOT_SCHEMA)
        for name, array in arrays.items():
            if name not in but and not np.isfinite(array).all():
                raise Wrong(f"{path.name}: {name} is not finite")
    return len(paths)


def compare_first_loss(case: Case, end: End, counts: Counts) -> Any:
    """Raise Wrong unless the first loss is what wider numbers give; return the largest of those."""
    network, (X, y, s) = case.network(), case.data()
    flat = network.parameters.flat
    with np.errstate(over="ignore"):
        targets = network.model.loss.encode(y, network.sizes[-1], np, flat.dtype)
        X = X.astype(flat.dtype)
        s = None if s is None else usable_weights(s, len(X), flat)
    if not (np.isfinite(X).all() and np.isfinite(targets).all()):
        return np.inf
    alpha = 0.0 if OPTIMIZERS.get_record(case.optimizer).decoupled else case.alpha
    with np.errstate(all="ignore"):
        first = first_loss(network, X, targets, s, alpha)
    limit = np.finfo(flat.dtype).max
    if case.batch < len(X):
        return first.largest
    if end.losses and first.largest < limit / MARGIN:
        counts.compared += 1
        off = abs(end.losses[0] - first.value)
        if not off <= first.tolerance:
            raise Wrong(
                f"the first loss is {end.losses[0]}, not {first.value} (off by {off:.3g}, "
                f"tolerance {first.tolerance:.3g})"
            )
    if end.at("step") == 1 and "the loss is" in str(end.error) and first.largest < limit / MARGIN:
        raise Wrong(f"stopped at once, where no number is above {first.largest:.3g}: {end.error}")
    return first.largest


def judge_alike(case: Case, ends: list[End], counts: Counts) -> None:
    """Raise Wrong where one engine stops and the other goes on far from the range's end."""
    native, reference = ends
    counts.pairs += 1
    if type(native.error) is type(reference.error) and native.at("step") == reference.at("step"):
        return
    if isinstance(native.error, InputError) or isinstance(reference.error, InputError):
        raise Wrong(f"one engine refuses: {native.error} / {reference.error}")
    counts.apart += 1
    if native.error and reference.error and native.at("epoch") == reference.at("epoch"):
        return  # an engine met inf − inf, where the other's inf went on for some steps
    far = max(max(end.largest, *end.losses, 0.0) for end in ends)
    if far * float(np.finfo(case.dtype).eps) < ROUNDING_DECIDES:
        raise Wrong(f"the engines judge apart: {native.error} / {reference.error}")


def one(case: Case, counts: Counts, checkpointed: bool) -> None:
    """Train with either engine, and count."""
    ends = []
    counts.met.update(f"{name}={value}" for name, value in vars(case).items())
    for engine in ENGINES:
        counts.runs += 1
        try:
            with tempfile.TemporaryDirectory() as place:
                folder = Path(place) / "checkpoints" if checkpointed else None
                end = run(case, engine, counts, folder)
            counts.right += end.error is None
            counts.stopped += isinstance(end.error, NonFiniteError)
            counts.refused += isinstance(end.error, InputError)
            ends.append(end)
            if not isinstance(end.error, InputError):
                compare_first_loss(case, end, counts)
        except Wrong as wrong:
            tell(counts, f"{engine}: {wrong}", case)
    if len(ends) == len(ENGINES):
        try:
            judge_alike(case, ends, counts)
        except Wrong as wrong:
            tell(counts, str(wrong), case)


def tell(counts: Counts, what: str, case: Any) -> None:
    """Note and print what is wrong."""
    counts.wrong.append(what)
    sys.stdout.write(f"{what}\n    {case}\n")


def networks(cases: int, seed: int) -> Counts:
    """Train so many networks, drawn from a seed, with either engine."""
    rng, counts = random.Random(seed), Counts()
    for number in range(cases):
        one(draw(rng, number), counts, number % CHECKPOINTED == 0)
    return counts
