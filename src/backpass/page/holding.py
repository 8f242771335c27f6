"""Taking hold of one weight or bias: its derivative as a slope, its sign, its paths to the cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backpass.derivatives.tracing.formulas import Leaf
from backpass.derivatives.tracing.nudge import nudge_section
from backpass.derivatives.tracing.steps import Step
from backpass.derivatives.tracing.to_text import TextPainter
from backpass.errors import InputError
from backpass.page.stepping import Walk

if TYPE_CHECKING:
    from numpy.typing import NDArray

POINTS = 41
"""Of the curve: a line through them looks smooth at the width of a page."""

REACH = 1.0
"""How far the slider goes to either side: the scale that weights are drawn on."""

FEW = 3
"""Units above whose signs are told one by one: what a sentence can hold."""

STEP = 6e-6
"""Of the centred difference: the cube root of float64's ε, where rounding and curvature balance."""


@dataclass(frozen=True)
class Held:
    """A parameter that is held: what its derivative is, where it comes from, what it promises."""

    key: str
    layer: int
    entry: tuple[int, ...]
    value: float
    derivative: float
    difference: float
    pulls: NDArray[np.float64]  # what each row adds to the derivative
    factors: tuple[float, float]  # of the first row: activation and error signal
    because: str  # what gives that error signal its sign
    penalty: float  # what the penalty adds
    paths: Step
    epsilons: NDArray[np.float64]
    costs: NDArray[np.float64]
    cost: float
    epsilon: float = 0.0
    moved: float = 0.0

    @property
    def change(self) -> float:
        """What the cost does where the slider stands."""
        return self.moved - self.cost

    @property
    def promised(self) -> float:
        """What the tangent says that it does."""
        return self.epsilon * self.derivative

    def why(self) -> str:
        """Return why the derivative has its sign, in words."""
        sign = _sign(self.derivative)
        signs = np.sign(self.pulls)
        parts = [part for s in (1, -1, 0) if len(part := self.pulls[signs == s])]
        adds = ", ".join(f"{len(part)} rows add {part.sum():.3g}" for part in parts)
        product = "activation × error signal" if self.key == "W" else "the error signal"
        told = f"The derivative sums {product} of each row: " + adds.replace("-", "−")
        if len(self.pulls) == 1:
            a, delta = map(_told, self.factors)
            starts = f"the activation where it starts, {a}" if self.key == "W" else "1 for a bias"
            told = f"The derivative is a product: {starts}, times the error signal where it ends, "
            told += delta + self.because
        told += f"; the L2 penalty adds {self.penalty:.3g}" if self.penalty else ""
        moves = {"positive": "raises", "negative": "lowers"}.get(sign, "does not change")
        return f"{told}. So it is {sign}: a little more of it {moves} the cost."


def _sign(value: float) -> str:
    return "positive" if value > 0 else "negative" if value < 0 else "0"


def _told(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")


def _because(walk: Walk, layer: int, unit: int) -> str:
    """Return what gives the first row's error signal its sign: the units above, or the target."""
    known, notation, last = walk.recording.arrays, walk.trace.notation, walk.trace.last
    if layer == last:
        return _gap(walk, unit)
    slope = known["dphi", layer][0, unit]
    if slope == 0:
        return ", since the slope of its activation is 0"
    above, W = known["delta", layer + 1][0], walk.batch.network.weights[layer][unit]
    if len(above) > FEW:
        parts = above * W * slope
        up, down = parts[parts > 0], parts[parts < 0]
        return (
            f", to which {len(up)} units above add {_told(up.sum())} and {len(down)}"
            f" {_told(down.sum())}, its slope of {_told(slope)} counted in"
        )
    painter, told = TextPainter(notation), list[str]()
    for k, signal in enumerate(above):
        leaf = Leaf("W", layer + 1, entry=(unit, k))
        weight = painter.symbol_of(leaf, batch=False, last=last).lines[0]
        name = f"unit {k + 1 - notation.from_zero} above" if len(above) > 1 else "the unit above"
        gap = _gap(walk, k) if layer + 1 == last else ""
        told.append(
            f"the error signal {_told(signal)} of {name}{gap} times {weight} = {_told(W[k])}"
        )
    terms = f"{'the sum of ' * (len(told) > 1)}{'; '.join(told)}"
    return f", which is the slope of its activation, {_told(slope)}, times {terms}"


def _gap(walk: Walk, unit: int) -> str:
    """Return where the first row's output lies, if that is what the error signal's sign says."""
    known, last = walk.recording.arrays, walk.trace.last
    gap = known["a", last][0, unit] - walk.trace["y"][0, unit]
    says = gap * known["delta", last][0, unit] > 0
    return f" (ŷ is {'above' if gap > 0 else 'below'} y)" * bool(says)


def hold(walk: Walk, key: str, layer: int, entry: tuple[int, ...], epsilon: float = 0.0) -> Held:
    """Take hold of a parameter, on the mini-batch of a walk."""
    if not abs(epsilon) <= REACH:
        raise InputError(f"ε is {epsilon:g}; the slider goes from −{REACH:g} to {REACH:g}")
    known, batch = walk.recording.arrays, walk.batch
    where = key, layer, *entry
    section = nudge_section(walk.trace.notation, batch, walk.recording, where, [])
    network = batch.network.copy()
    held = (network.weights if key == "W" else network.biases)[layer - 1]
    value = float(held[entry])

    def cost(shift: float) -> float:
        held[entry] = value + shift
        return network.loss(batch.X, batch.y, alpha=batch.alpha, engine="reference")

    epsilons = np.linspace(-REACH, REACH, POINTS)
    delta = known["delta", layer][:, entry[-1]]
    a = known["a", layer - 1][:, entry[0]] if key == "W" else np.ones_like(delta)
    derivative = float(known[f"d{key}", layer][entry])
    return Held(
        key, layer, entry, value, derivative,
        difference=(cost(STEP) - cost(-STEP)) / (2 * STEP),
        pulls=a * delta,
        factors=(float(a[0]), float(delta[0])),
        because=_because(walk, layer, entry[-1]),
        penalty=batch.alpha * value / len(a) if key == "W" else 0.0,
        paths=section.steps[1],
        epsilons=epsilons,
        costs=np.array([cost(shift) for shift in epsilons]),
        cost=float(known["J", None]),
        epsilon=epsilon,
        moved=cost(epsilon),
    )  # fmt: skip
