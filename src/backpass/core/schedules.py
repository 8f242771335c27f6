r"""Schedules: the learning rate over time, one frozen record each.

``factor(clock)`` is what the initial learning rate is multiplied with; a :class:`Clock` says how
far training has come. Those with ``per_step`` are asked before every step, the others at the
start of every epoch, as scikit-learn does. This file is the one place to add one.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from backpass.core.registry import Record, Registry, require


class Clock(NamedTuple):
    """How far training has come.

    Parameters
    ----------
    step, total_steps : int
        Steps done, and steps if training runs its full length.
    samples : int
        Samples seen (rows times epochs).
    divisions : int
        How often training stalled, after which the adaptive schedule divides the rate.
    """

    step: int = 0
    total_steps: int = 1
    samples: int = 0
    divisions: int = 0


@dataclass(frozen=True)
class Schedule(Record):
    """One rule for the learning rate.

    Parameters
    ----------
    name : str
        The name under which it is registered.
    factor : callable
        :class:`Clock` to a number of at least 0.
    formula : str
        LaTeX of the rule.
    per_step : bool
        Whether the rate changes at every step; otherwise at the start of every epoch.
    adaptive : bool
        Whether a stall lowers the rate instead of stopping (until it is below 1e-6).
    numbers : mapping
        The numbers it was made with.

    Examples
    --------
    >>> cosine = SCHEDULES.get_record("cosine:warmup=0.1")
    >>> [round(cosine.factor(Clock(step, 100)), 3) for step in (0, 9, 10, 55, 99)]
    [0.1, 1.0, 1.0, 0.5, 0.0]
    """

    name: str
    factor: Callable[[Clock], float]
    formula: str
    per_step: bool = False
    adaptive: bool = False
    numbers: Mapping[str, float] = field(default_factory=dict)


SCHEDULES: Registry[Schedule] = Registry("schedule")
"""Every schedule by name."""


@SCHEDULES.register
def constant() -> Schedule:
    """Return the rate that never changes."""
    return Schedule("constant", lambda clock: 1.0, r"\eta_t = \eta")


def _inverse_power(samples: int, power: float) -> float:
    """Return 1 / samples^power, and 0 where the divisor leaves the range of Python's floats."""
    try:
        return float(1.0 / samples**power)
    except OverflowError:
        return 0.0


@SCHEDULES.register
def invscaling(power: float = 0.5) -> Schedule:
    """Return the rate that falls as a power of the samples seen."""
    require(power >= 0, "invscaling: power must be at least 0", power)
    return Schedule(
        "invscaling",
        lambda clock: _inverse_power(clock.samples + 1, power),
        r"\eta_t = \eta / (t + 1)^p,\ t \text{ samples seen}",
        numbers={"power": power},
    )


@SCHEDULES.register
def adaptive() -> Schedule:
    """Return the rate that is divided by 5 whenever training stalls."""
    return Schedule(
        "adaptive",
        lambda clock: 1.0 / 5.0**clock.divisions,
        r"\eta_t = \eta / 5^{\text{stalls}}",
        adaptive=True,
    )


def _warm(clock: Clock, warmup: float) -> float:
    """Return the linear rise to 1 over the first `warmup` of all steps."""
    steps = warmup * clock.total_steps
    return min(1.0, (clock.step + 1) / steps) if steps > 0 else 1.0


@SCHEDULES.register
def linear_warmup(warmup: float = 0.1) -> Schedule:
    """Return the rate that rises linearly over the first `warmup` of all steps, then stays."""
    require(0 <= warmup <= 1, "linear_warmup: warmup must lie between 0 and 1", warmup)
    return Schedule(
        "linear_warmup",
        lambda clock: _warm(clock, warmup),
        r"\eta_t = \eta \min(1, (t + 1) / (w T))",
        per_step=True,
        numbers={"warmup": warmup},
    )


@SCHEDULES.register
def cosine(warmup: float = 0.0) -> Schedule:
    """Return the rate that falls to 0 along half a cosine, after an optional linear rise."""
    require(0 <= warmup < 1, "cosine: warmup must be at least 0 and below 1", warmup)

    def factor(clock: Clock) -> float:
        start = warmup * clock.total_steps
        if clock.step < start:
            return _warm(clock, warmup)
        along = (clock.step - start) / max(clock.total_steps - start, 1)
        return 0.5 * (1 + math.cos(math.pi * min(along, 1.0)))

    return Schedule(
        "cosine",
        factor,
        r"\eta_t = \tfrac{\eta}{2} (1 + \cos \pi t / T)",
        per_step=True,
        numbers={"warmup": warmup},
    )
