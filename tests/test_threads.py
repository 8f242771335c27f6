"""How many threads are tried, and how many are there."""

import os

import joblib
import pytest

from backpass.engines import threads
from backpass.engines.threads import ThreadChoice, available_threads, threads_for


@pytest.fixture
def processors(monkeypatch):
    """Set how many processors the process may run on, and how many its container allows it."""

    def set_them(affinity, quota):
        threads._within_quota.cache_clear()
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(affinity)), raising=False)
        monkeypatch.setattr(joblib, "cpu_count", lambda: quota)

    yield set_them
    threads._within_quota.cache_clear()


def test_a_containers_quota_counts(processors):
    processors(affinity=64, quota=2)
    assert available_threads() == 2


def test_so_does_the_affinity(processors):
    processors(affinity=3, quota=64)
    assert available_threads() == 3


@pytest.mark.parametrize(
    ("flops", "tried"),
    [(799_998, [1]), (800_004, [2, 1]), (6_000_000, [8, 4, 1]), (6_000_000_000, [8, 4])],
)
def test_more_work_is_worth_more_threads(processors, flops, tried):
    processors(affinity=8, quota=8)
    assert threads_for(flops // 6, 1, None) == tried


def test_the_number_asked_for_is_taken():
    assert threads_for(10, 10, 7) == [7]


def run(seconds_of, batches, candidates):
    """Return how many mini-batches each number of threads got."""
    now, got = [0.0], dict.fromkeys(candidates, 0)

    def work(n_threads, n):
        now[0] += n * seconds_of(n_threads)
        got[n_threads] += n
        return n

    choice = ThreadChoice(candidates, clock=lambda: now[0])
    for _ in range(batches):  # long steps are handed over one by one
        assert choice.share_out(1, work) == 1
    return got


def test_long_steps_are_measured_too():
    """Another program has a processor: half the threads are faster, and get nearly all steps."""
    got = run(lambda n: 0.5 if n == 8 else 0.2, 1000, [8, 4])
    assert got[4] > 950


def test_what_was_slower_is_measured_again_within_its_share_of_the_time():
    got = run(lambda n: 0.5 if n == 8 else 0.2, 10_000, [8, 4])
    assert 3 < got[8] < 0.03 * 10_000
