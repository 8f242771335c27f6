"""Random calls of the native engine: none breaks anything; and what would be broken is noticed."""

import importlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from native_cases import every_dtype, needs_native

ROOT = Path(__file__).parent.parent

pytestmark = [
    needs_native,
    pytest.mark.skipif(
        not (ROOT / "reliability").is_dir(), reason="reliability/ is not in this checkout"
    ),
]


@pytest.fixture
def module(monkeypatch):
    """Import a module of the programs, which are not installed."""
    monkeypatch.syspath_prepend(str(ROOT))
    return lambda name: importlib.import_module(f"reliability.{name}")


@pytest.mark.skipif(os.name == "nt", reason="Windows counts no memory as resource does")
def test_random_calls_break_nothing():
    command = [sys.executable, "-m", "reliability.fuzz_native", "--seconds", "60"]
    done = subprocess.run(
        [*command, "--scenarios", "40"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "    40 runs made and called\n" in done.stdout
    assert "     0 findings\n" in done.stdout


def changes(x):
    x[0] += 1


FAULTS = {
    "accepted": (lambda x, out: None, False, "what is wrong is accepted"),
    "refused": (lambda x, out: int("x"), True, "what is right is refused"),
    "another exception": (lambda x, out: {}["x"], None, "an undocumented KeyError"),
    "an input changed": (lambda x, out: changes(x), None, "an input was changed"),
    "beside an output": (lambda x, out: changes(out.room), None, "beside an output"),
    "refused but written": (lambda x, out: (changes(out.view), int("x")), None, "wrote to its out"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_call_that_breaks_a_promise_is_noticed(module, fault):
    call, right, what = FAULTS[fault]
    calls = module("_native_calls")
    scenario, x = calls.Scenario("0", np.zeros(4)), np.ones(3)
    out = module("_native_arrays").Output(3, "f8")
    with pytest.raises(calls.Broken, match=what):
        scenario.call("it", lambda: call(x, out), right, [x], [out])


def test_a_wrong_prediction_and_a_lost_nan_are_noticed(module, monkeypatch):
    calls = module("_native_calls")

    def played(given, value):
        def predict(isa, sizes, activations, flat, X, output, threads):
            output[...] = value

        for number in range(40):
            scenario = calls.Scenario(f"0:{number}", np.zeros(4))
            scenario.native = type("Fake", (), {"predict": staticmethod(predict)})
            source = lambda n, k: (np.full((n, k), given), True, [])  # noqa: E731
            monkeypatch.setattr(scenario, "source", source)
            scenario.predict()

    for given, value in ((0.5, 1e3), (np.nan, 0.0)):
        with pytest.raises(calls.Broken, match="predict: "):
            played(given, value)


class Disturbed:
    """A run with a fault in `evaluate_rows`."""

    def __init__(self, run, fault):
        vars(self).update(run=run, fault=fault)

    def __getattr__(self, name):
        return getattr(self.run, name)

    def __setattr__(self, name, value):
        setattr(self.run, name, value)

    def evaluate_rows(self, data, rows, costs, outputs):
        try:
            self.run.evaluate_rows(data, rows, costs, outputs)
        except (ValueError, TypeError):
            if self.fault != "is accepted":
                raise
        if self.fault == "cost" and costs is not None:
            costs[0] += 1
        if self.fault == "is not as it was":
            self.run.steps += 1


@pytest.mark.parametrize("fault", ["cost", "is not as it was", "is accepted"])
def test_a_fault_in_evaluating_other_rows_is_noticed(module, fault):
    calls = module("_native_calls")

    def played():
        for number in range(100):
            scenario = calls.Scenario(f"0:{number}", np.zeros(4))
            scenario.construct()
            if scenario.run is not None:
                scenario.run = Disturbed(scenario.run, fault)
                for call in (scenario.set_rows, *[scenario.evaluate_rows] * 9):
                    call()

    with pytest.raises(calls.Broken, match=f"evaluate_rows: .*{fault}"), np.errstate(all="ignore"):
        played()


# --- what it found ---------------------------------------------------------------------------


def misaligned(x):
    """The same numbers, one byte beside where they should begin."""
    room = np.zeros(x.nbytes + 1, np.uint8)
    view = np.ndarray(x.shape, x.dtype, room.data, offset=1)
    view[...] = x
    return view


def new_run(kind="f8", **settings):
    from backpass.engines.extension import extension

    native = extension()
    made = native.Run32 if np.dtype(kind) == np.float32 else native.Run64
    usual = {"batch_size": 4, "n_threads": 1, "alpha": 0.0, "decoupled": False, "dropout": 0.0,
             "seed": 0, "clip_norm": 0.0, "ceiling": np.inf, "smoothing": 0.0}  # fmt: skip
    return made(
        native.isas()[0], [3, 2], [("identity", [])], ("squared_error", []), ("sgd", []),
        native.Settings(**(usual | settings)),
    )  # fmt: skip


def new_rows(X, y, weights=None, kind="f8"):
    from backpass.engines.extension import extension

    native = extension()
    made = native.Rows32 if np.dtype(kind) == np.float32 else native.Rows64
    return made(X, y, None, weights, n_in=3, n_out=2)


@every_dtype
def test_arrays_that_are_not_aligned_are_refused(dtype):
    run, X, y = new_run(dtype), np.ones((4, 3), dtype), np.ones((4, 2), dtype)
    rows, costs, flat = np.arange(4), np.zeros(2), np.zeros(8, dtype)
    run.set_rows(new_rows(X, y, kind=dtype))
    for call in (
        lambda: new_rows(misaligned(X), y, kind=dtype),
        lambda: new_rows(X, misaligned(y), kind=dtype),
        lambda: new_rows(X, y, misaligned(np.ones(4, dtype)), kind=dtype),
        lambda: run.load(misaligned(flat)),
        lambda: run.store(misaligned(flat)),
        lambda: run.advance(misaligned(rows), np.ones(1), costs),
        lambda: run.advance(rows, misaligned(np.ones(1)), costs),
        lambda: run.evaluate(rows, misaligned(costs), None, None),
        lambda: run.evaluate(rows, costs, misaligned(flat), None),
    ):
        with pytest.raises(ValueError, match="not aligned"):
            call()


def test_steps_that_would_overflow_are_refused():
    with pytest.raises(ValueError, match="at most 2\\^62"):
        new_run().steps = 2**63 - 1


def test_columns_out_of_order_or_changed_later_are_refused():
    data, columns, starts = np.ones(4), np.array([0, 2, 0, 1]), np.array([0, 2, 4])
    run, y = new_run(), np.zeros((2, 2))
    for wrong in ([2, 0, 0, 1], [0, 0, 0, 1]):
        with pytest.raises(ValueError, match="not in order"):
            new_rows((data, np.array(wrong), starts), y)
    run.set_rows(new_rows((data, columns, starts), y))
    costs = np.zeros(2)
    for array, place, value in ((columns, 1, 9), (columns, 1, -1), (starts, 1, 99)):
        right = array[place]
        array[place] = value
        with pytest.raises(ValueError, match="was changed after it was set"):
            run.advance(np.arange(2), np.ones(1), costs)
        array[place] = right
    assert run.advance(np.arange(2), np.ones(1), costs) == 1


def test_a_run_that_computes_is_left_alone():
    X, y = np.ones((2000, 3)), np.ones((2000, 2))
    run, rows = new_run(), np.tile(np.arange(2000), 100)
    run.set_rows(new_rows(X, y))
    batches = len(rows) // 4
    work = threading.Thread(
        target=lambda: run.advance(rows, np.zeros(batches), np.zeros(2 * batches))
    )
    messages = set()
    work.start()
    while work.is_alive():
        try:
            run.set_threads(1)
        except ValueError as error:
            messages.add(str(error))
    work.join()
    assert messages == {"the run is computing; call it again when that has ended"}
    run.set_threads(1)
