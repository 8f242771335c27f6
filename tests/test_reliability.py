"""The programs that count faults run, notice faults, and the page says what they counted."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.usefixtures("reliability")
def test_kills_are_counted(tmp_path):
    file = tmp_path / "kills.json"
    command = [sys.executable, "-m", "reliability.kills", "--times", "3", "--epochs", "8"]
    done = subprocess.run(
        [*command, "--commands", "3", "--json", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(file.read_text(encoding="utf-8"))["figures"]
    assert figures["SIGKILLs"] == figures["`backpass fit` that SIGKILL has ended"] == 3
    assert figures["training runs that went on after them, to their end"] >= 1
    assert figures["fits that went on after them, to their end"] >= 1
    for name in ("checkpoints that could not be read", "runs that hung"):
        assert figures[name] == 0


def test_an_unreadable_model_is_noticed(reliability, tmp_path, capsys):
    program = reliability("kills")
    counts = program.Commands()
    (tmp_path / "m").write_bytes(b"half")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint-000000000007.backpass").write_bytes(b"half")
    program.judge_command(tmp_path, counts)
    assert (counts.unreadable, counts.after) == (2, 1)
    assert capsys.readouterr().out.count("unreadable: ") == 2


def test_an_unreadable_checkpoint_and_lost_work_are_noticed(reliability, tmp_path, capsys):
    kills, board = reliability("kills"), np.zeros(4 + 2 * 8)
    (tmp_path / "checkpoint-000000000007.backpass").write_bytes(b"half")
    (tmp_path / ".backpass-00.tmp").write_bytes(b"half")
    counts = kills.Training()
    board[kills.BEGAN], board[kills.BOUNDARY], board[kills.LONGEST] = 100.0, 101.0, 0.01
    kills.judge_kill(tmp_path, board, 101.0 + 0.01, counts)
    assert "unreadable" in capsys.readouterr().out
    assert (counts.kills, counts.unreadable, counts.half_written, counts.lost) == (1, 1, 1, 1)
    assert counts.longest_lost == pytest.approx(1.01, rel=1e-12)
    board[kills.BEGAN] = 101.0 - kills.EVERY
    kills.judge_kill(tmp_path, board, 101.0 + 0.01, counts)
    assert counts.lost == 1


def test_the_hash_sees_every_part_of_a_result(reliability):
    from backpass import Network
    from backpass.training.history import History

    fits = reliability("_fits")

    def hashed(change=lambda network, history, state: None):
        network, history = Network([2, 1], seed=0), History(loss_curve=[1.0])
        state = {"m": np.zeros(3)}
        change(network, history, state)
        return fits.fingerprint(network, history, *state.values())

    def moved(network, history, state):
        network.parameters.flat[0] = np.nextafter(network.parameters.flat[0], 9)

    changes = [
        moved,
        lambda network, history, state: state["m"].__setitem__(2, 5e-324),
        lambda network, history, state: history.loss_curve.__setitem__(0, 1.0 + 2**-52),
        lambda network, history, state: setattr(history, "stop_reason", "converged"),
        lambda network, history, state: setattr(history, "best_parameters", np.zeros(3)),
    ]
    assert len({hashed(), *map(hashed, changes)}) == 1 + len(changes)
    assert hashed() == hashed()


def test_the_page_is_what_the_results_make(reliability):
    report = reliability("report")
    assert report.PAGE.read_text(encoding="utf-8") == report.page()
