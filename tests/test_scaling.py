"""Training in shards: the same bytes for any number of workers, resumed, refused; without Ray."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpass.cli import main
from backpass.core.optimizers import OPTIMIZERS
from backpass.core.settings import Settings
from backpass.engines import Problem
from backpass.errors import InputError
from backpass.network.network import Network
from backpass.scaling.checkpoints import shared_checkpoints
from backpass.scaling.cluster import Cluster, connect
from backpass.scaling.fit import _train, fit
from backpass.scaling.groups import Alone, agree
from backpass.scaling.sharded import ShardedEngine
from helpers import PAIRS
from native_cases import (
    NATIVE,
    REFERENCE,
    draw_batch,
    every_dtype,
    every_isa,
    forced,
    needs_native,
    new_network,
    training_on,
)

pytestmark = needs_native


class Threads:
    """One of a group of threads of this process."""

    def __init__(self, rank, size, shared):
        self.rank, self.size, self._shared = rank, size, shared

    @classmethod
    def run(cls, size, work):
        """Return what `work(group)` returns in each of `size` threads."""
        shared = threading.Barrier(size, timeout=60), [None] * size
        with ThreadPoolExecutor(size) as pool:
            jobs = [pool.submit(work, cls(rank, size, shared)) for rank in range(size)]
            return [job.result() for job in jobs]

    def objects(self, value):
        barrier, values = self._shared
        values[self.rank] = value
        barrier.wait()
        found = list(values)
        barrier.wait()
        return found

    def gather(self, part):
        return self.objects(part.copy())

    def sum(self, x):
        return np.sum(self.objects(x.copy()), axis=0, dtype=x.dtype)


def rows_of(n=150):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 5)).astype(np.float32), rng.integers(0, 3, n), rng.uniform(0, 2, n)


def trained(group, shards=6, exact=True, folder=None, optimizer="adam", fails_at=None):
    """Return the parameters of a network that a group has trained, as bytes, and its history."""
    X, y, s = rows_of()
    network = Network([5, 9, 3], "tanh", "softmax", "cross_entropy", seed=1, dtype="float32")
    settings = Settings(
        optimizer=optimizer, batch_size=32, epochs=5, dropout=0.2, alpha=0.1, clip_norm=1.0,
    )  # fmt: skip

    def tell(told):
        if told[0] == fails_at:
            raise RuntimeError("gone")

    network, history = _train(
        network, X, y, s.astype(np.float32), settings, 0,
        engine=ShardedEngine(group, shards, exact),
        checkpoints=shared_checkpoints(group, folder, every=0),
        tell=tell,
    )  # fmt: skip
    return network.parameters.flat.tobytes(), history


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_any_number_of_workers_ends_with_the_same_bytes(optimizer):
    alone = trained(Alone(), optimizer=optimizer)
    for size in (2, 3, 6):
        for flat, history in Threads.run(size, lambda g: trained(g, optimizer=optimizer)):
            assert flat == alone[0]
            assert history.loss_curve == alone[1].loss_curve


def test_the_fast_mode_differs_in_the_last_digits_only():
    exact = np.frombuffer(trained(Alone())[0], np.float32)
    fast = [
        np.frombuffer(x, np.float32) for x, _ in Threads.run(3, lambda g: trained(g, exact=False))
    ]
    assert all(np.array_equal(x, fast[0]) for x in fast)
    assert 0 < np.abs(fast[0] - exact).max() < 1e-4


@every_isa
@every_dtype
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_step_of_a_given_gradient_has_the_bytes_of_a_step(optimizer, dtype, isa):
    ends = []
    with forced(isa):
        for whole in (True, False):
            network = new_network(dtype=dtype)
            given = training_on(
                network, draw_batch(network, 24), optimizer,
                alpha=0.3, dropout=0.2, clip_norm=0.1, batch_size=24,
            )  # fmt: skip
            run, rows = NATIVE.start(given), np.arange(24)
            if whole:
                costs = run.advance(rows, [0.1])[0]
            else:
                mass = float(np.add.accumulate(given.sample_weight, dtype=np.float64)[-1])
                loss, gradient = run.shard(rows, 0, mass)
                costs = loss, run.apply(gradient, mass, 0.1)
            run.publish()
            ends.append((network.parameters.flat.tobytes(), tuple(costs), run.steps))
    assert ends[0] == ends[1]


@pytest.mark.parametrize(("output", "loss"), PAIRS)
@given(cut=st.integers(1, 19), dropout=st.sampled_from([0.0, 0.3]), alpha=st.sampled_from([0, 0.5]))
def test_the_parts_of_a_mini_batch_are_its_gradient(output, loss, cut, dropout, alpha):
    results = []
    for engine, cuts in ((REFERENCE, (20,)), (NATIVE, (cut, 20)), (REFERENCE, (cut, 20))):
        network = new_network(output=output, loss=loss)
        given_ = training_on(
            network, draw_batch(network, 20), "sgd", alpha=alpha, dropout=dropout, batch_size=20
        )
        run, mass, start = engine.start(given_), float(given_.sample_weight.sum()), 0
        total, cost = 0.0, 0.0
        for stop in cuts:
            part, gradient = run.shard(np.arange(start, stop), start, mass)
            total, cost, start = total + gradient, cost + part, stop
        penalty = run.apply(np.asarray(total), mass, 0.1)
        run.publish()
        results.append((np.array([cost, penalty]), network.parameters.flat.copy()))
    scale = 1 + np.abs(results[0][1]).max()
    for costs, flat in results[1:]:
        np.testing.assert_allclose(costs, results[0][0], rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(flat, results[0][1], rtol=0, atol=1e-12 * scale)


def test_other_workers_go_on_from_a_checkpoint_and_end_with_the_same_bytes(tmp_path):
    with pytest.raises(RuntimeError, match="gone"):
        Threads.run(3, lambda g: trained(g, folder=str(tmp_path), fails_at=3))
    told = Threads.run(2, lambda g: trained(g, folder=str(tmp_path)))
    assert [end for end, _ in told] == 2 * [trained(Alone())[0]]


def test_any_number_of_workers_judges_with_the_same_bytes():
    def judged(group):
        X, y, s = rows_of()
        network = Network([5, 9, 3], "tanh", "softmax", "cross_entropy", seed=1)
        engine = ShardedEngine(group, 6)
        run = engine.start(Problem(network.model, X, y, s, Settings(batch_size=32)))
        output, loss = run.evaluator(X, y, s, np.arange(140)[::-3])()
        return output.tobytes(), loss, float(network.loss(X[139::-3], y[139::-3], s[139::-3]))

    alone = judged(Alone())
    assert alone[1] == pytest.approx(alone[2], rel=1e-12)
    assert all(told == alone for size in (2, 6) for told in Threads.run(size, judged))


def test_what_rank_0_cannot_use_is_told_to_all(tmp_path):
    (tmp_path / "file").write_text("")

    def work(group):
        with pytest.raises(InputError, match="file is a file"):
            trained(group, folder=str(tmp_path / "file"))

    Threads.run(2, work)


def test_workers_that_would_compute_other_bytes_are_refused(monkeypatch):
    sets = iter(["avx2", "baseline"])
    monkeypatch.setattr("backpass.scaling.groups.instruction_set", lambda: next(sets))
    with pytest.raises(InputError, match="BACKPASS_FORCE_ISA="):
        Threads.run(2, agree)


def test_what_cannot_be_computed_in_shards_is_refused_in_a_line():
    with pytest.raises(InputError, match="7 workers need as many shards"):
        Threads.run(7, trained)
    network = Network([5000, 5000, 2], "relu", seed=0)
    with pytest.raises(InputError, match="fewer shards, or the fast mode"):
        fit(network, np.zeros((4, 5000)), np.zeros((4, 2)))


def test_an_absent_ray_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'backpass\[ray\]'"):
        connect(Cluster())


def test_importing_backpass_loads_no_cluster():
    told = "import sys, backpass.scaling; print('ray' in sys.modules, 'torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert found.stdout == "False False\n"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--workers", "3"], "--workers is of a cluster: give --cluster auto"),
        (["--fast"], "--fast is of a cluster"),
        (["--cluster", "auto", "--workers", "4-2"], "MIN-MAX such as 2-8, not '4-2'"),
        (["--cluster", "auto", "--effort", "quick"], "trains a single network"),
        (["--cluster", "auto", "--time-limit", "9"], "no common clock"),
        (["--cluster", "auto"], "pip install 'backpass[ray]'"),
        (["--cluster", "auto", "--checkpoint", "run"], "run: it holds checkpoints"),
    ],
)
def test_the_command_refuses_in_a_line_what_a_cluster_cannot_do(
    options, told, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    (tmp_path / "run/checkpoints/checkpoint-000000000007.backpass").write_bytes(b"")
    (tmp_path / "t.csv").write_text("x,y\n1,2\n")
    assert main(["fit", "t.csv", "--target", "y", *options]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1
    assert not (tmp_path / "t.backpass").exists()
