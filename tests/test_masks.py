"""Dropout masks: the generator's published answers, and what a mask depends on."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpass.core.dropout import dropout_mask, philox_4x32

# kat_vectors of Random123 (D. E. Shaw Research): counter, key, answer of philox4x32 with 10 rounds
KNOWN = [
    (
        "00000000 00000000 00000000 00000000",
        "00000000 00000000",
        "6627e8d5 e169c58d bc57ac4c 9b00dbd8",
    ),
    (
        "ffffffff ffffffff ffffffff ffffffff",
        "ffffffff ffffffff",
        "408f276d 41c83b0e a20bc7c6 6d5451fd",
    ),
    (
        "243f6a88 85a308d3 13198a2e 03707344",
        "a4093822 299f31d0",
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


def words(text):
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_known_answers(counter, key, answer):
    counters = tuple(np.array([word], np.uint64) for word in words(counter))
    got = philox_4x32(counters, tuple(words(key)))
    assert got.shape == (1, 4)
    assert got[0].tolist() == words(answer)


def test_counters_broadcast_and_are_left_alone():
    counters = [np.array([words(c)[i] for c, _, _ in KNOWN], np.uint64) for i in range(4)]
    kept = [c.copy() for c in counters]
    together = philox_4x32(tuple(counters), (7, 9))
    for row in range(len(KNOWN)):
        alone = philox_4x32(tuple(c[row : row + 1] for c in counters), (7, 9))
        assert together[row].tolist() == alone[0].tolist()
    assert all((a == b).all() for a, b in zip(counters, kept, strict=True))
    grid = philox_4x32(
        (counters[0][:, None], counters[1][None, :], counters[2][:1, None], counters[3][:1, None]),
        (7, 9),
    )
    assert grid.shape == (3, 3, 4)


def test_every_word_is_32_bits():
    counter = tuple(np.arange(1000, dtype=np.uint64) for _ in range(4))
    got = philox_4x32(counter, (1, 2))
    assert got.max() < 2**32
    assert len(set(got.ravel().tolist())) > 3990  # collisions among 4000 of 2³²: next to none


@given(
    seed=st.integers(0, 2**64 - 1),
    step=st.integers(0, 2**32 - 1),
    layer=st.integers(1, 50),
    rows=st.integers(1, 12),
    units=st.integers(1, 12),
    more=st.tuples(st.integers(0, 5), st.integers(0, 5)),
    rate=st.floats(0, 0.99),
)
def test_a_mask_depends_on_nothing_but_its_address(seed, step, layer, rows, units, more, rate):
    mask = dropout_mask(seed, step, layer, rows, units, rate)
    assert mask.shape == (rows, units)
    assert mask.dtype == bool
    np.random.default_rng(0).random(10)  # drawing elsewhere changes nothing
    wider = dropout_mask(seed, step, layer, rows + more[0], units + more[1], rate)
    assert (wider[:rows, :units] == mask).all()


def test_every_part_of_the_address_matters():
    base = {"seed": 3, "step": 5, "layer": 2, "rows": 20, "units": 20, "rate": 0.5}
    mask = dropout_mask(**base)
    for change in ({"seed": 4}, {"seed": 3 + 2**32}, {"step": 6}, {"layer": 3}):
        other = dropout_mask(**{**base, **change})
        # two independent masks of 400 fair bits agree in 200 ± 6·10
        assert abs((other == mask).sum() - 200) < 60
    flat = [mask[i].tolist() for i in range(20)]
    assert len({tuple(row) for row in flat}) == 20
    assert len({tuple(column) for column in mask.T.tolist()}) == 20


@pytest.mark.parametrize("rate", [0.05, 0.25, 0.5, 0.9])
def test_units_are_kept_with_the_stated_probability(rate):
    n = 250_000
    mask = dropout_mask(seed=11, step=1, layer=1, rows=1000, units=250, rate=rate)
    sigma = math.sqrt(rate * (1 - rate) / n)
    assert abs(mask.mean() - (1 - rate)) < 5 * sigma
    for axis, count in ((0, 1000), (1, 250)):
        spread = mask.mean(axis=axis).std()
        expected = math.sqrt(rate * (1 - rate) / count)
        assert 0.7 * expected < spread < 1.4 * expected


def test_neighbours_are_independent():
    mask = dropout_mask(seed=12, step=3, layer=1, rows=600, units=400, rate=0.5) * 2.0 - 1
    pairs = {
        "units": (mask[:, 1:], mask[:, :-1]),
        "rows": (mask[1:], mask[:-1]),
        "steps": (mask, dropout_mask(12, 4, 1, 600, 400, 0.5) * 2.0 - 1),
        "layers": (mask, dropout_mask(12, 3, 2, 600, 400, 0.5) * 2.0 - 1),
        "seeds": (mask, dropout_mask(13, 3, 1, 600, 400, 0.5) * 2.0 - 1),
    }
    for what, (a, b) in pairs.items():
        assert abs((a * b).mean()) < 5 / math.sqrt(a.size), what


def test_rate_zero_keeps_all_and_a_higher_rate_drops_more():
    assert dropout_mask(1, 1, 1, 50, 7, 0.0).all()
    low, high = dropout_mask(1, 1, 1, 50, 7, 0.3), dropout_mask(1, 1, 1, 50, 7, 0.6)
    assert (low | ~high).all()  # what survives the higher rate survives the lower one
