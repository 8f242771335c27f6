"""Workers that a real Ray starts, and torchrun: the same bytes, also after one is killed."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from backpass.errors import InputError, NonFiniteError
from backpass.network.network import Network
from backpass.scaling import Cluster, fit, table_training
from backpass.tabular.experiment import Hooks, Question, run_experiment
from backpass.tabular.large.cached_table import cached
from backpass.tabular.large.source import Source
from backpass.tabular.recipe import Recipe
from helpers import assert_identical

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("default")]  # Ray's own warnings

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(600, 6)), RNG.integers(0, 3, 600)
SETTINGS = {"seed": 0, "epochs": 6, "batch_size": 50, "dropout": 0.1, "shards": 4}


def new_network():
    return Network([6, 16, 3], "tanh", "softmax", "cross_entropy", seed=1)


def alone():
    network = new_network()
    fit(network, X, Y, **SETTINGS)
    return network.parameters.flat


def on(cluster, **change):
    """Return what a cluster trains, of four shards."""
    network = new_network()
    settings = {key: value for key, value in SETTINGS.items() if key != "shards"}
    fit(network, X, Y, cluster=cluster, **settings | change)
    return network.parameters.flat


@pytest.fixture(scope="module", autouse=True)
def four_processors():
    import ray

    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


@pytest.mark.parametrize("workers", [1, 2, (2, 4)])
def test_any_number_of_workers_trains_the_same_bytes(workers, tmp_path):
    assert_identical(on(Cluster(workers=workers, shards=4, folder=str(tmp_path))), alone())


def test_a_worker_is_killed_and_the_others_go_on_from_a_checkpoint(tmp_path):
    killed, epochs = tmp_path / "killed", []

    def kill(told):  # the message goes to this process; the worker's process is found by its name
        epochs.append(told[0])
        if told[0] == 3 and not killed.exists():
            killed.touch()
            os.kill(a_worker(), signal.SIGKILL)

    cluster = Cluster(workers=2, shards=4, folder=str(tmp_path), every=0)
    assert_identical(on(cluster, on_epoch=kill, epochs=400), alone_for(400))
    assert killed.exists()
    assert len(epochs) < 2 * 400, "it did not begin anew"


def alone_for(epochs):
    network = new_network()
    fit(network, X, Y, **SETTINGS | {"epochs": epochs})
    return network.parameters.flat


def a_worker():
    """Return the process of one of Ray Train's workers."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        if b"RayTrainWorker" in path.read_bytes():
            return int(path.parent.name)
    raise AssertionError("no worker runs")


def test_a_table_is_trained_on_a_cluster(tmp_path):
    table = {"x": [i % 40 for i in range(400)], "high": [i % 40 > 20 for i in range(400)]}
    seen = []

    class Seen(Hooks):
        def epoch(self, history):
            seen.append((history.epochs, len(self.scores)))

    cluster = Cluster(workers=2, folder=str(tmp_path))
    experiment = run_experiment(
        table, Question("high", effort="", compare="none"),
        hooks=Seen(), elsewhere=table_training(cluster),
    )  # fmt: skip
    assert seen == [(n, n) for n in range(1, experiment.history.epochs + 1)]
    assert experiment.test.metrics["accuracy"] > 0.9


def test_a_table_in_pieces_is_trained_from_what_workers_see_of_its_cache(tmp_path):
    rows = {"x": np.arange(3000) % 40, "high": np.arange(3000) % 40 > 20}
    pl.DataFrame(rows).write_parquet(tmp_path / "t.parquet")
    question = Question("high", recipe=Recipe(epochs=3, hidden_layer_sizes=(8,)), compare="none")
    source, found = Source.of(tmp_path / "t.parquet"), []
    with cached(source, question, tmp_path / "cache", keep=True) as (table, _):
        cluster = Cluster(workers=2, folder=str(tmp_path / "run"))
        found.append(table_training(cluster)(table).network.parameters.flat)
        (tmp_path / "cache").rename(tmp_path / "unseen")  # a worker encodes the table anew
        cluster = replace(cluster, workers=1, folder=str(tmp_path / "again"))
        found.append(table_training(cluster)(table).network.parameters.flat)
        (tmp_path / "t.parquet").unlink()
        (tmp_path / "cache").rename(tmp_path / "unseen, too")
        with pytest.raises(InputError, match=r"gone on .* where all machines see it"):
            table_training(replace(cluster, folder=str(tmp_path / "other")))(table)
    assert_identical(*found)


def test_what_a_worker_raises_is_raised_here(tmp_path):
    network = Network([6, 8, 1], "relu", seed=1)
    with pytest.raises(NonFiniteError, match="epoch 1"):
        fit(
            network, X, 1.0 * Y, cluster=Cluster(folder=str(tmp_path)),
            learning_rate=1e200, optimizer="sgd", batch_size=50,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("cluster", "told"),
    [
        (Cluster(workers=64, shards=64), "64 workers need as many processors, .* has 4"),
        (Cluster(folder="/proc/none"), "/proc/none"),
    ],
)
def test_a_cluster_that_cannot_be_used_is_one_line(cluster, told):
    with pytest.raises(InputError, match=told) as caught:
        on(cluster)
    assert "\n" not in str(caught.value)


def test_torchrun_starts_the_same_training(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(
        "import json, sys, numpy as np\n"
        "from backpass import Network\nfrom backpass.scaling import fit\n"
        "rng = np.random.default_rng(0)\n"
        "X, y = rng.normal(size=(600, 6)), rng.integers(0, 3, 600)\n"
        "network = Network([6, 16, 3], 'tanh', 'softmax', 'cross_entropy', seed=1)\n"
        f"fit(network, X, y, **json.loads({json.dumps(json.dumps(SETTINGS))}))\n"
        "network.save(sys.argv[1])\n"
    )
    subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone",
         str(script), str(tmp_path / "net.backpass")],
        check=True, capture_output=True,
    )  # fmt: skip
    assert_identical(Network.load(tmp_path / "net.backpass").parameters.flat, alone())
