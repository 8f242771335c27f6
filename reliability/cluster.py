"""Kill workers and drivers of trainings on a Ray cluster at random instants, and count the losses.

``python -m reliability.cluster --workers 30 --drivers 5`` trains on this machine as a cluster of
four logical processors, with two to four workers and a checkpoint at every opportunity. It sends
SIGKILL to a worker at random instants until there were so many, then the same to the whole driver,
which is started again with the same folder. Every training ends, and its bytes are compared with
those of the same training without a cluster. Needs ``backpass[ray]``.
"""

import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from reliability.report import arguments, count, figures, program

from backpass.network.network import Network
from backpass.scaling import Cluster, fit

SHARDS, EPOCHS = 4, 4000  # some seconds of training: several kills meet it
LIFE = 4.0  # seconds at most from the first epoch that is told to a kill
TIMEOUT = 300.0  # seconds without an epoch after which a training is called hung


@dataclass
class Counts:
    """What was seen."""

    workers: int = count("workers that SIGKILL has ended")
    drivers: int = count("drivers that SIGKILL has ended")
    trainings: int = count("trainings that went on after them, to their end")
    lost: int = count("trainings that began anew or did not end")
    unequal: int = count("trainings that ended with other bytes than one without a cluster")


def train(cluster: Cluster | None, on_epoch: Any = None) -> str:
    """Return the digest of the parameters that a training ends with."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(600, 6)), rng.integers(0, 3, 600)
    network = Network([6, 16, 3], "tanh", "softmax", "cross_entropy", seed=1)
    fit(
        network, X, y, cluster=cluster, on_epoch=on_epoch,
        seed=0, epochs=EPOCHS, patience=EPOCHS, batch_size=50, dropout=0.1, shards=SHARDS,
    )  # fmt: skip
    return hashlib.sha256(network.parameters.flat.tobytes()).hexdigest()


def start_ray() -> None:
    """Start Ray here, with four logical processors."""
    import ray

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level="ERROR")


def workers() -> list[int]:
    """Return the processes of Ray Train's workers."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"RayTrainWorker" in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:  # it has ended meanwhile
            continue
    return found


def kill_workers(times: int, rng: random.Random, counts: Counts) -> None:
    """Kill so many workers, in as many trainings as that takes."""
    whole = train(None)
    while counts.workers < times:
        epochs: list[int] = []
        ended = threading.Event()

        def reap(epochs: list[int] = epochs, ended: threading.Event = ended) -> None:
            while counts.workers < times and not ended.is_set():
                seen = len(epochs)
                while len(epochs) == seen and not ended.wait(0.05):
                    pass
                if ended.wait(rng.uniform(0, LIFE)) or not (found := workers()):
                    continue
                os.kill(rng.choice(found), signal.SIGKILL)
                counts.workers += 1

        reaper = threading.Thread(target=reap)
        reaper.start()
        with tempfile.TemporaryDirectory() as folder:
            cluster = Cluster(workers=(2, 4), shards=SHARDS, folder=folder, every=0)
            end = train(cluster, lambda told, epochs=epochs: epochs.append(told[0]))
        ended.set()
        reaper.join()
        counts.trainings += 1
        counts.lost += epochs.count(1) > 1
        counts.unequal += end != whole
        sys.stdout.write(f"{counts}\n")
        sys.stdout.flush()


def kill_drivers(times: int, rng: random.Random, counts: Counts) -> None:
    """Kill a driver, with all that it started, and type its command again, so many times."""
    whole = train(None)
    while counts.drivers < times:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "reliability.cluster", "--drive", folder]
            first, end = [], ""
            while not end:
                driver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
                assert driver.stdout is not None
                told = [driver.stdout.readline()]
                first.append(told[0])
                if counts.drivers < times and told[0].startswith("epoch"):
                    time.sleep(rng.uniform(0, LIFE))
                    if driver.poll() is None:
                        driver.kill()
                        counts.drivers += 1
                told += driver.communicate(timeout=TIMEOUT)[0].splitlines()
                end = next((line[4:].strip() for line in told if line.startswith("end ")), "")
            counts.trainings += 1
            counts.lost += sum(line.strip() == "epoch 1" for line in first[1:])
            counts.unequal += end != whole
        sys.stdout.write(f"{counts}\n")
        sys.stdout.flush()


def drive(folder: str) -> None:
    """Be a driver: tell each epoch, and the end."""

    def told(message: Any) -> None:
        sys.stdout.write(f"epoch {message[0]}\n")
        sys.stdout.flush()

    start_ray()
    end = train(Cluster(workers=(2, 4), shards=SHARDS, folder=folder, every=0), told)
    sys.stdout.write(f"end {end}\n")


def counted(asked: Any) -> tuple[dict[str, Any], int]:
    """Kill both; return what that came to, and how much it broke."""
    counts, rng = Counts(), random.Random(asked.seed)
    start_ray()
    kill_workers(asked.workers, rng, counts)
    import ray

    ray.shutdown()
    kill_drivers(asked.drivers, rng, counts)
    return figures(counts), counts.lost + counts.unequal


if __name__ == "__main__":
    parser = arguments(
        __doc__,
        workers=(30, "workers to kill"),
        drivers=(5, "drivers to kill"),
        seed=(0, "of the instants"),
    )
    parser.add_argument("--drive", metavar="FOLDER", help="be a driver that is killed")
    asked = parser.parse_args()
    if asked.drive:
        drive(asked.drive)
    else:
        line = "python -m reliability.cluster --workers {workers} --drivers {drivers} --seed {seed}"
        program(asked, "Workers and drivers of a cluster killed", line, counted)
