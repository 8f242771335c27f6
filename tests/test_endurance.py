"""Hundreds of fits in a row, Ctrl-C at random instants, the same bytes again: in short."""

import contextlib
import importlib
import os
import random
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from backpass.cli import run as guard
from backpass.cli.interrupts import ONE_PRESS, CtrlC
from backpass.errors import InputError
from backpass.tabular import frames
from backpass.tabular.files import read_table
from backpass.tabular.frames import as_frame
from native_cases import needs_native

ROOT = Path(__file__).parent.parent
LINUX = sys.platform == "linux"

pytestmark = [
    pytest.mark.skipif(
        not (ROOT / "reliability").is_dir(), reason="reliability/ is not in this checkout"
    ),
    pytest.mark.usefixtures("heard_interrupts"),
]
posix = pytest.mark.skipif(os.name == "nt", reason="signals and terminals of POSIX")


@pytest.fixture
def module(monkeypatch):
    """Import a module of the programs, which are not installed."""
    monkeypatch.syspath_prepend(str(ROOT))
    return lambda name: importlib.import_module(f"reliability.{name}")


def run(code, *arguments):
    """Run code that uses the programs in a process of its own; return what it writes."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# --- in a row --------------------------------------------------------------------------------

IN_A_ROW = """
    import sys
    from reliability.endurance import in_a_row
    row = in_a_row(300, 0)
    print(row.fits, max(row.threads) - row.threads[0], max(row.files) - row.files[0])
    print(row.memory[-1] - row.memory[1])
"""


@needs_native
@pytest.mark.skipif(not LINUX, reason="/proc is Linux's")
@pytest.mark.slow
def test_three_hundred_fits_leave_nothing_behind():
    fits, threads, files, growth = map(int, run(IN_A_ROW).split())
    assert (fits, threads, files) == (300, 0, 0)
    # a run that stayed would be 10 KB, with its threads' stacks more; the heap settles meanwhile
    assert growth < 2_000_000


def test_growth_is_noticed(module):
    Row = module("endurance").Row
    steady = [10**8 + 1000 * (i % 2) for i in range(100)]
    leaking = [10**8 + 100 * 600 * i for i in range(100)]
    assert Row(10_000, steady, [12] * 100, [9] * 100).growth() == []
    assert len(Row(10_000, leaking, [12] * 99 + [13], [9] * 99 + [10]).growth()) == 3


# --- Ctrl-C ----------------------------------------------------------------------------------


@needs_native
@pytest.mark.slow
@posix
def test_interrupted_fits_leave_usable_estimators(module):
    counts = module("interrupts").interrupt_fits(4, random.Random())
    assert counts.faults == []
    assert counts.kinds.total() == 4


@pytest.mark.slow
@posix
def test_interrupted_commands_leave_the_terminal_in_order(module):
    interrupts = module("interrupts")
    counts = interrupts.interrupt_commands(1, random.Random())
    assert counts.faults == []
    assert counts.kinds.total() == 1


@posix
def test_disorder_is_noticed(module, tmp_path):
    terminal = module("_terminal")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".backpass-00.tmp").touch()
    model = tmp_path / "m"
    model.write_bytes(b"half")

    def faults(output, code=130, same=True, alone=True, old=b"half"):
        ending = terminal.Ending(code, output, same, alone, 1.0)
        return terminal.faults_of(ending, tmp_path, model, old)

    tidy = b"\x1b[?25l..\r\x1b[2K\x1b[?25hinterrupted: nothing was left half-written\r\n"
    assert faults(tidy) == [".backpass-00.tmp is left"]
    (tmp_path / "run" / ".backpass-00.tmp").unlink()
    assert faults(tidy) == []
    kept = tidy.replace(b"nothing was left half-written", b"the model is complete")
    hidden = tidy.replace(b"\x1b[?25h", b"")
    for broken in (
        faults(tidy, code=-2), faults(tidy, same=False), faults(tidy, alone=False),
        faults(tidy[:-2]), faults(hidden), faults(b"Traceback\r\n" + tidy), faults(kept),
        faults(tidy, old=None), faults(b"\r\n", code=1),
    ):  # fmt: skip
        assert len(broken) == 1, broken
    traceback = b'Traceback\r\n  File "/a/backpass/cli/app.py"\r\nKeyboardInterrupt\r\n'
    assert len(faults(traceback)) == 2
    assert faults(b'Traceback\r\n  File "/a/site.py"\r\nKeyboardInterrupt\r\n') == []


@posix
def test_a_terminal_gets_what_is_typed(module, tmp_path):
    code = "import sys, time; print('here', flush=True); time.sleep(60)"
    for typed in (False, True):
        ending = module("_terminal").in_terminal(
            [sys.executable, "-c", code], tmp_path, [0.1], after=b"here", typed=typed
        )
        assert ending.code == -signal.SIGINT
        assert ending.alone
        assert ending.same_terminal
        assert "KeyboardInterrupt" in ending.lines
        assert ending.seconds < 30


def test_presses_in_quick_succession_are_one():
    now = [0.0]
    handler = CtrlC(clock=lambda: now[0])
    for press in (0.0, 0.1, ONE_PRESS + 0.2):
        now[0] = press
        if press == 0.1:
            handler(signal.SIGINT, None)
        else:
            with pytest.raises(KeyboardInterrupt):
                handler(signal.SIGINT, None)
    assert handler.heard == 2


@pytest.mark.parametrize("error", [ValueError("no buffer"), FileNotFoundError(2, "no file")])
def test_what_a_library_makes_of_a_press_is_a_press(monkeypatch, capsys, error):
    now, later = [0.0], 0.0
    handler = CtrlC(clock=lambda: now[0])
    monkeypatch.setattr(guard, "ctrl_c", handler)

    def library():
        with contextlib.suppress(KeyboardInterrupt):
            handler(signal.SIGINT, None)
        now[0] += later
        raise error

    assert guard.guarded(library) == 130
    assert capsys.readouterr().err == "interrupted: nothing was left half-written\n"
    now[0], later = 10.0, 2 * ONE_PRESS
    with pytest.raises(type(error)):
        guard.guarded(library)


def test_a_press_waits_for_the_outermost_block():
    handler, done = CtrlC(), []

    def draw():
        with handler.waiting():
            with handler.waiting():
                handler(signal.SIGINT, None)
            done.append("drawn")

    with pytest.raises(KeyboardInterrupt):
        draw()
    assert done == ["drawn"]


# --- the same bytes --------------------------------------------------------------------------


@pytest.mark.slow
@needs_native
def test_the_same_bytes_with_any_number_of_threads(module):
    determinism = module("determinism")
    counts = determinism.Counts()
    determinism.in_one_process(determinism.combinations()[::13], (1, 2, 5, 8), 1, counts)
    assert counts.fits > 60
    assert (counts.unequal, counts.readable_unequal) == (0, 0)


def test_other_bytes_are_noticed(module, monkeypatch, capsys):
    determinism = module("determinism")
    monkeypatch.setattr(determinism, "digest", lambda *names, engine="auto": repr((names, engine)))
    counts = determinism.Counts()
    determinism.in_one_process([("adam", "float32", "dense")], (1, 2), 1, counts)
    assert (counts.fits, counts.unequal, counts.readable_unequal) == (2, 1, 0)
    assert "unequal: adam float32 dense" in capsys.readouterr().out


def test_every_setting_changes_the_bytes(module):
    """Otherwise it would not be compared at all."""
    variants = module("_variants")
    hashes = {name: variants.digest("adam", "float64", name, 1) for name in variants.VARIANTS}
    # Adam ignores "invscaling"
    assert hashes["dense"] == hashes["Fortran order"] == hashes["invscaling"]
    assert len(set(hashes.values())) == len(hashes) - 2
    other = variants.digest("sgd", "float64", "dense", 1)
    assert other != variants.digest("sgd", "float64", "invscaling", 1)


# --- processes -------------------------------------------------------------------------------


def test_tables_are_refused_in_a_forked_process(monkeypatch):
    """Polars would wait for ever; reliability.endurance forks one in earnest."""
    monkeypatch.setattr(frames, "_first_user", os.getpid() + 1)
    for use in (lambda: as_frame({"x": [1.0]}), lambda: read_table("example:iris")):
        with pytest.raises(InputError, match="start workers by 'spawn'"):
            use()
    monkeypatch.setattr(frames, "_first_user", os.getpid())
    assert as_frame({"x": [1.0]}).height == 1


@pytest.mark.slow
def test_two_processes_at_once(module):
    endurance = module("endurance")
    counts = endurance.Others()
    endurance.two_at_once(10, counts)
    assert (counts.saves, counts.beside_unequal, counts.hung) == (20, 0, 0)
    assert counts.beside >= 12
