"""A training on a cluster: Ray Train starts the workers, watches and restarts them."""

import os
import signal
import tempfile
import threading
import uuid
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from backpass.errors import InputError
from backpass.scaling.checkpoints import shared_checkpoints
from backpass.scaling.groups import Gloo, Group, agree
from backpass.scaling.sharded import SHARDS, ShardedEngine

TIMEOUT = 60.0
"""Seconds after which a worker that others wait for is given up: a pause of the network or of a
busy machine is shorter, and a worker that was stopped is found within a minute."""

RESTARTS = 100
"""Most restarts of a training: a machine that fails more often is not worth waiting for."""


@dataclass(frozen=True)
class Cluster:
    """Where a training runs, and how.

    Parameters
    ----------
    address : str
        Of a Ray cluster, as ``ray.init`` takes it; ``"auto"``: the one that this machine
        belongs to, or this machine alone where there is none.
    workers : int or (int, int)
        How many, or the fewest and the most: Ray takes what there is, and goes on with fewer.
    shards : int
        Q, on which alone the bytes of the result depend in the exact mode.
    exact : bool
        Whether the bytes are the same for any number of workers.
    folder : str, optional
        Of checkpoints, on a file system that all workers see; a temporary one by default.
    every : float, optional
        Seconds between two checkpoints.
    timeout : float
        Seconds after which a silent worker is given up.
    """

    address: str = "auto"
    workers: int | tuple[int, int] = 2
    shards: int = SHARDS
    exact: bool = True
    folder: str | None = None
    every: float | None = None
    timeout: float = TIMEOUT

    @property
    def most(self) -> int:
        """The most workers."""
        return self.workers if isinstance(self.workers, int) else self.workers[1]

    def run(self, work: Callable[..., Any], on_message: Callable[[Any], None]) -> Any:
        """Return what `work` returns on rank 0.

        Parameters
        ----------
        work : callable
            Called by every worker with its `engine`, `checkpoints`, and with `tell`, whose messages
            reach `on_message` here.
        on_message : callable

        Raises
        ------
        InputError
            When the cluster cannot be reached or is too small, or a worker does not see the folder.
        Exception
            Whatever `work` raises, but errors of a worker or a disk: they start the group again.
        """
        ray = connect(self)
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchConfig, TorchTrainer
        from ray.util.queue import Queue

        folder = str(Path(self.folder or tempfile.mkdtemp(prefix="backpass-")).absolute())
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{folder}: {error.strerror}; give another folder") from None
        messages = Queue(actor_options={"num_cpus": 0})
        trainer = TorchTrainer(
            _worker,
            train_loop_config={
                "work": [ray.put(work)], "cluster": self, "folder": folder, "messages": messages,
            },
            torch_config=TorchConfig(backend="gloo", timeout_s=int(self.timeout)),
            scaling_config=ScalingConfig(num_workers=self.workers),
            run_config=RunConfig(
                name=f"backpass-{uuid.uuid4().hex[:8]}",
                storage_path=f"{folder}/ray",
                failure_config=FailureConfig(max_failures=RESTARTS),
            ),
        )  # fmt: skip
        outcome: list[Any] = []
        ended = threading.Event()
        listener = threading.Thread(target=_listen, args=(messages, ended, outcome, on_message))
        listener.start()
        heard = signal.getsignal(signal.SIGINT)
        try:
            trainer.fit()
        except SystemExit:  # Ray's own answer to Ctrl-C
            raise KeyboardInterrupt(f"the checkpoints are in {folder}") from None
        finally:
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGINT, heard)
            ended.set()
            listener.join()
        if not outcome:
            raise InputError("the workers ended without a result; Ray's logs say why")
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return outcome[0]


def connect(cluster: Cluster) -> Any:
    """Connect to a cluster, and return the module ``ray``.

    Raises
    ------
    InputError
        When Ray is not installed, or the cluster cannot be reached or has too few processors.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to anybody
    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
    try:
        ray: Any = import_module("ray")
        import_module("ray.train.torch")
    except ImportError:
        raise InputError(
            "a cluster needs Ray and PyTorch: pip install 'backpass[ray]', on every machine of it"
        ) from None
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if not ray.is_initialized():
        try:
            ray.init(address=cluster.address, **quiet)
        except (ConnectionError, ValueError, RuntimeError) as error:
            if cluster.address != "auto":
                told = str(error).partition("\n")[0]
                raise InputError(f"--cluster {cluster.address}: not reached: {told}") from None
            ray.init(include_dashboard=False, **quiet)
    found = int(ray.cluster_resources().get("CPU", 0))
    fewest = cluster.workers if isinstance(cluster.workers, int) else cluster.workers[0]
    if found < fewest:
        raise InputError(
            f"{fewest} workers need as many processors, and the cluster has {found}; ask for fewer"
        )
    return ray


def _listen(
    messages: Any, ended: threading.Event, outcome: list[Any], on_message: Callable[[Any], None]
) -> None:
    """Hand on what workers tell, until they have ended and there is nothing more to come."""
    from ray.util.queue import Empty

    while True:
        last = ended.is_set()
        try:
            kind, value = messages.get(timeout=0.2)
        except Empty:
            if last:
                return
            continue
        except Exception:  # Ray itself is gone: Ctrl-C has ended it
            return
        if kind == "outcome":
            outcome[:] = [value]
            continue
        try:
            if kind == "warning":
                said, category = value
                warnings.warn(said, category, stacklevel=1)
            else:
                on_message(value)
        except Exception as error:  # raised where the training was called for
            outcome[:] = [error]
            return


def _worker(config: dict[str, Any]) -> None:
    """Do the work as one of a group; rank 0 tells the outcome, an error of ours included."""
    group, cluster, messages = Gloo(), config["cluster"], config["messages"]

    def tell(value: Any) -> None:
        if group.rank == 0:
            messages.put(("told", value))

    if group.rank == 0:  # a disk that is full, or units that have died
        warnings.showwarning = lambda said, kind, *place: messages.put(("warning", (said, kind)))
    try:
        agree(group)  # before anything is made of what another version has written
        check_folder(group, config["folder"])
        outcome = opened(group, config["work"][0])(
            engine=ShardedEngine(group, cluster.shards, cluster.exact),
            checkpoints=shared_checkpoints(group, f"{config['folder']}/checkpoints", cluster.every),
            tell=tell,
        )
    except (OSError, RuntimeError):  # another worker is gone, or a disk: Ray starts the group again
        raise
    except Exception as error:  # would come again
        outcome = error
    if group.rank == 0:
        messages.put(("outcome", outcome))
    group.objects(None)  # no worker goes before the outcome is told


def opened(group: Group, work: Any) -> Callable[..., Any]:
    """Return what a worker is handed, once all of them have it: one may encode a table meanwhile.

    Raises
    ------
    Exception
        For every worker what one of them could not do.
    """
    import ray

    found: list[Any] = []

    def fetch() -> None:
        try:
            found.append(ray.get(work))
        except Exception as error:  # Ray's own around what opening it has raised
            cause = getattr(error, "client_exc", None)
            found.append(cause if isinstance(cause, Exception) else error)

    thread = threading.Thread(target=fetch)
    thread.start()
    while not all(group.objects(bool(found))):  # often enough for no time-out to come
        thread.join(timeout=1.0)
    thread.join()
    failed = group.objects(found[0] if isinstance(found[0], Exception) else None)
    for error in filter(None, failed):
        raise error
    handed: Callable[..., Any] = found[0]
    return handed


def check_folder(group: Group, folder: str) -> None:
    """Refuse a folder that is not the same one for every worker.

    Raises
    ------
    InputError
        For every worker.
    """
    name = group.objects(uuid.uuid4().hex)[0]
    if group.rank == 0:
        Path(folder, name).touch()
    group.objects(None)
    seen = group.objects(Path(folder, name).exists())
    if group.rank == 0:
        Path(folder, name).unlink()
    if not all(seen):
        raise InputError(
            f"worker {seen.index(False)} does not see {folder}: give a folder on a file system that"
            " all machines share (--checkpoint)"
        )
