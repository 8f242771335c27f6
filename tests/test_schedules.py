"""Every registered schedule: hand values, limits, monotonicity, range."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpass.core.schedules import SCHEDULES, Clock
from backpass.errors import InputError
from helpers import EPS, assert_close, specs

ALL = specs(SCHEDULES)

CLOCKS = st.builds(
    lambda total, part, samples, divisions: Clock(int(part * total), total, samples, divisions),
    st.integers(1, 10**7), st.floats(0, 1), st.integers(0, 10**9), st.integers(0, 60),
)  # fmt: skip


@given(CLOCKS, st.sampled_from(ALL))
def test_every_factor_lies_between_zero_and_one(clock, spec):
    factor = SCHEDULES.get_record(spec).factor(clock)
    assert math.isfinite(factor)
    assert 0 <= factor <= 1


@pytest.mark.parametrize(
    ("spec", "clock", "want"),
    [
        ("constant", Clock(5, 10, 100, 3), 1.0),
        ("invscaling", Clock(samples=0), 1.0),
        ("invscaling", Clock(samples=3), 0.5),
        ("invscaling", Clock(samples=99), 0.1),
        ("invscaling:power=1", Clock(samples=3), 0.25),
        ("invscaling:power=0", Clock(samples=3), 1.0),
        ("adaptive", Clock(divisions=0), 1.0),
        ("adaptive", Clock(divisions=2), 0.04),
        ("linear_warmup", Clock(0, 100), 0.1),
        ("linear_warmup", Clock(4, 100), 0.5),
        ("linear_warmup", Clock(9, 100), 1.0),
        ("linear_warmup", Clock(50, 100), 1.0),
        ("linear_warmup:warmup=0", Clock(0, 100), 1.0),
        ("linear_warmup:warmup=1", Clock(24, 100), 0.25),
        ("cosine", Clock(0, 100), 1.0),
        ("cosine", Clock(50, 100), 0.5),
        ("cosine", Clock(25, 100), (1 + math.sqrt(0.5)) / 2),
        ("cosine", Clock(100, 100), 0.0),
        ("cosine", Clock(170, 100), 0.0),
        ("cosine:warmup=0.25", Clock(0, 100), 0.04),
        ("cosine:warmup=0.25", Clock(24, 100), 1.0),
        ("cosine:warmup=0.25", Clock(25, 100), 1.0),
        ("cosine:warmup=0.2", Clock(60, 100), 0.5),
    ],
)
def test_by_hand(spec, clock, want):
    assert_close(SCHEDULES.get_record(spec).factor(clock), want, 2 * EPS)


def test_inverse_scaling_and_adaptive_are_scikit_learns():
    from sklearn.neural_network._stochastic_optimizers import SGDOptimizer

    for power in (0.3, 0.5, 1.0):
        theirs = SGDOptimizer([], 0.2, "invscaling", 0.9, power_t=power)
        for samples in (1, 40, 80, 10**6):
            theirs.iteration_ends(samples)
            factor = SCHEDULES["invscaling"](power=power).factor(Clock(samples=samples))
            assert_close(0.2 * factor, theirs.learning_rate, EPS)
    theirs, divisions = SGDOptimizer([], 0.2, "adaptive", 0.9), 0
    while not theirs.trigger_stopping("", verbose=False):
        divisions += 1
        factor = SCHEDULES["adaptive"]().factor(Clock(divisions=divisions))
        assert_close(0.2 * factor, theirs.learning_rate, 4 * divisions * EPS * factor)
    assert divisions > 5


@pytest.mark.parametrize("spec", ALL)
@pytest.mark.parametrize("total", [1, 2, 7, 100])
def test_rises_in_the_warmup_and_falls_after(spec, total):
    schedule = SCHEDULES.get_record(spec)
    warm = schedule.numbers.get("warmup", 0.0) * total
    factors = [schedule.factor(Clock(t, total, 32 * t, t // 10)) for t in range(total + 3)]
    for t in range(total + 2):
        if t + 1 <= warm:
            assert factors[t] <= factors[t + 1] or t + 1 == warm
        else:
            assert factors[t + 1] <= factors[t]
    assert factors[0] > 0
    assert all(factor > 0 for factor in factors[:total])


def test_cosine_covers_its_whole_range():
    factors = [SCHEDULES["cosine"]().factor(Clock(t, 1000)) for t in range(1001)]
    assert factors[0] == 1.0
    assert factors[-1] == 0.0
    assert sum(factors[:-1]) / 1000 == pytest.approx(0.5005, abs=1e-12)  # its mean is a half
    assert all(
        abs(factors[t] + factors[1000 - t] - 1) <= 4 * EPS for t in range(1001)
    )  # and it is odd about the middle


def test_the_warmup_is_joined_without_a_step():
    for warmup in (0.1, 0.25, 0.5):
        schedule = SCHEDULES["cosine"](warmup=warmup)
        factors = [schedule.factor(Clock(t, 400)) for t in range(400)]
        assert max(factors) == 1.0
        assert max(abs(a - b) for a, b in zip(factors[1:], factors[:-1], strict=True)) < 0.026


def test_which_change_every_step():
    assert {s.name for s in SCHEDULES.records() if s.per_step} == {"linear_warmup", "cosine"}
    assert {s.name for s in SCHEDULES.records() if s.adaptive} == {"adaptive"}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("invscaling:power=-1", "invscaling: power must be at least 0, not -1.0"),
        ("linear_warmup:warmup=1.5", "linear_warmup: warmup must lie between 0 and 1, not 1.5"),
        ("cosine:warmup=1", "cosine: warmup must be at least 0 and below 1, not 1.0"),
        ("cosine:warmup=nan", "cosine: warmup must be at least 0 and below 1, not nan"),
    ],
)
def test_numbers_out_of_range(spec, message):
    with pytest.raises(InputError, match=message):
        SCHEDULES.get_record(spec)
