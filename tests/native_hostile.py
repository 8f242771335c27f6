"""Calls of the extension with arguments that cannot be used; run in a process of its own.

Prints each call that was not refused with a ValueError or a TypeError, then how many were made.
"""

import sys

import numpy as np
import scipy.sparse

from backpass.engines.extension import extension

native = extension()
N, K = 20, 3
SIZES, RELU = [4, 7, K], [("relu", []), ("softmax", [])]
P = 4 * 7 + 7 + 7 * K + K
SETTINGS = {
    "batch_size": 8, "n_threads": 2, "alpha": 0.1, "decoupled": False, "dropout": 0.1, "seed": 0,
    "clip_norm": 0.0, "ceiling": np.inf, "smoothing": 0.0,
}  # fmt: skip


def new_run(isa, kind, sizes=SIZES, activations=RELU, loss=("cross_entropy", []),
            optimizer=("adam", [0.9, 0.999, 1e-8]), **settings):  # fmt: skip
    settings = native.Settings(**{**SETTINGS, **settings})
    return kind(isa, sizes, activations, loss, optimizer, settings)


def constructions(isa, kind):
    """Yield what no run can be made from."""
    for sizes in ([], [4], [4, 7], [4, 7, K, 2], [0, 7, K], [4, -1, K], [4, 7, 0], [2**40, 7, K],
                  "abc", None, [4.5, 7, K]):  # fmt: skip
        yield f"sizes {sizes}", lambda sizes=sizes: new_run(isa, kind, sizes)
    for phi in ([], [("relu", [])], [("warp", []), ("softmax", [])], ["relu", "softmax"], [1, 2],
                [("relu",), ("softmax",)], [("relu", ["x"]), ("softmax", [])], None,
                [("softmax", []), ("softmax", [])]):  # fmt: skip
        yield f"activations {phi}", lambda phi=phi: new_run(isa, kind, activations=phi)
    for loss in (("warp", []), ("hinge", []), ("poisson", []), ("cross_entropy",), 1, None):
        yield f"loss {loss}", lambda loss=loss: new_run(isa, kind, loss=loss)
    for optimizer in (("warp", []), ("", []), "adam", None):
        yield f"optimizer {optimizer}", lambda o=optimizer: new_run(isa, kind, optimizer=o)
    for name, values in {
        "batch_size": (0, -1, 2**63 - 1, 2**64, 1.5, "8", None), "n_threads": (0, -1, 1025, 2**40),
        "seed": (-1, 2**64, 0.5), "alpha": ("x", None), "dropout": ("x",), "warp": (1,),
    }.items():  # fmt: skip
        for value in values:
            yield f"{name}={value}", lambda n=name, v=value: new_run(isa, kind, **{n: v})
    for other in ("", "mmx", "AVX2", None, 3):
        yield f"isa {other!r}", lambda other=other: new_run(other, kind)


def new_rows(dtype, X, y, labels, weights, n_in=SIZES[0], n_out=K):
    kind = native.Rows32 if dtype == np.float32 else native.Rows64
    return kind(X, y, labels, weights, n_in=n_in, n_out=n_out)


def rows_of(dtype):
    rng = np.random.default_rng(0)
    return rng.normal(size=(N, 4)).astype(dtype), rng.integers(0, K, N).astype(np.int32)


def rows_refused(isa, kind, dtype):
    """Yield rows that cannot be set."""
    X, labels = rows_of(dtype)
    s, Y = np.ones(N, dtype), np.ones((N, K), dtype)
    run = new_run(isa, kind)

    def set_rows(X=X, y=None, labels=labels, weights=s):
        run.set_rows(new_rows(dtype, X, y, labels, weights))

    for name, x in {
        "too wide": np.ones((N, 5)), "too narrow": np.ones((N, 3)), "fewer": X[:-1],
        "vector": X[:, 0], "cube": X[:, :, None], "scalar": np.float64(1), "0-d": np.array(1.0),
        "complex": X.astype(complex), "half": X.astype("f2"), "long": X.astype("longdouble"),
        "object": X.astype(object), "swapped": X.astype(">f4"), "dates": X.astype("M8[s]"),
        "text": X.astype("U4"), "record": np.zeros((N, 4), [("a", "f4")]), "list": X.tolist(),
        "None": None, "number": 3, "string": "abc", "bytes": b"abcd", "empty": X[:0],
        "two": (X, X), "four": (X, X, X, X),
    }.items():  # fmt: skip
        yield f"X {name}", lambda x=x: set_rows(x)
    for name, y in {
        "long": np.append(labels, 0), "negative": labels - 1, "too large": labels + 1,
        "largest": np.full(N, 2**31 - 1, np.int32), "int64": labels.astype(np.int64),
        "float": labels.astype(float), "uint32": labels.astype(np.uint32),
        "strided": np.repeat(labels, 2)[::2], "column": labels[:, None], "list": labels.tolist(),
    }.items():  # fmt: skip
        yield f"labels {name}", lambda y=y: set_rows(labels=y)
    for name, y in {
        "narrow": Y[:, :2], "short": Y[1:], "None": None, "half": Y.astype("f2"), "vector": Y[:, 0],
        "object": Y.astype(object),
    }.items():  # fmt: skip
        yield f"y {name}", lambda y=y: set_rows(y=y, labels=None)
    other = np.float64 if dtype == np.float32 else np.float32
    for name, w in {
        "short": s[1:], "other": s.astype(other), "strided": np.repeat(s, 2)[::2],
        "int": s.astype(int),
        "column": s[:, None], "list": s.tolist(), "number": 1.0,
    }.items():  # fmt: skip
        yield f"weights {name}", lambda w=w: set_rows(weights=w)
    yield from sparse_refused(X, set_rows)
    # and after all that the run has no rows: nothing can be computed
    yield "advance without rows", lambda: advance(run, np.arange(8))


def sparse_refused(X, set_rows):
    csr = scipy.sparse.csr_array(X * (abs(X) > 0.7))
    data, columns, starts = csr.data, csr.indices, csr.indptr
    changed = starts.copy()
    changed[3], changed[4] = starts[4] + 1, starts[3]
    last, far, below = starts.copy(), columns.copy(), columns.copy()
    last[-1] += 1
    far[2], below[2] = 4, -1
    for name, parts in {
        "decreasing": (data, columns, changed), "beyond the end": (data, columns, last),
        "not from 0": (data, columns, starts + 1), "negative": (data, columns, starts - 1),
        "no rows": (data, columns, starts[:0]), "fewer rows": (data, columns, starts[:-1]),
        "column 4": (data, far, starts), "column -1": (data, below, starts),
        "huge column": (data, columns.astype(np.int64) + 2**32, starts.astype(np.int64)),
        "fewer columns": (data, columns[:-1], starts), "fewer data": (data[:-1], columns, starts),
        "mixed": (data, columns, starts.astype(np.int64)),
        "int16": (data, columns, starts.astype("i2")),
        "unsigned": (data, columns.astype("u4"), starts.astype("u4")),
        "float": (data, columns.astype(float), starts.astype(float)),
        "strided data": (np.repeat(data, 2)[::2], columns, starts),
        "strided columns": (data, np.repeat(columns, 2)[::2], starts),
        "strided starts": (data, columns, np.repeat(starts, 2)[::2]),
        "half": (data.astype("f2"), columns, starts),
        "object": (data.astype(object), columns, starts),
        "matrix": (data[None], columns, starts), "lists": (data.tolist(), columns, starts),
        "None": (None, None, None), "empty": (),
    }.items():  # fmt: skip
        yield f"sparse {name}", lambda parts=parts: set_rows(parts)


def advance(run, rows, rates=None, costs=None):
    batches = -(-len(rows) // 8) if hasattr(rows, "__len__") else 1
    rates = np.full(batches, 0.01) if rates is None else rates
    return run.advance(rows, rates, np.zeros(2 * batches) if costs is None else costs)


def steps_refused(isa, kind, dtype):
    """Yield calls of a run that is ready."""
    X, labels = rows_of(dtype)
    run, rows = new_run(isa, kind), np.arange(N)
    run.set_rows(new_rows(dtype, X, None, labels, None))
    flat, other = np.zeros(P, dtype), np.float64 if dtype == np.float32 else np.float32
    fixed = np.zeros(P, dtype)
    fixed.flags.writeable = False
    for name, r in {
        "negative": rows - 1, "beyond": rows + 1, "huge": np.array([2**62]),
        "int32": rows.astype("i4"),
        "uint64": rows.astype("u8"), "float": rows.astype(float), "bool": rows > 3,
        "matrix": rows[None], "strided": np.arange(2 * N)[::2][:8], "list": rows.tolist(),
        "None": None, "lowest": np.array([-(2**63)]),
    }.items():  # fmt: skip
        yield f"rows {name}", lambda r=r: advance(run, r)
        yield f"evaluate {name}", lambda r=r: run.evaluate(r, np.zeros(2), None, None)
    for name, rates in {
        "short": np.ones(2), "long": np.ones(4), "none": np.ones(0), "float32": np.ones(3, "f4"),
        "int": np.ones(3, int), "strided": np.ones(6)[::2], "list": [1.0] * 3, "None": "x",
    }.items():  # fmt: skip
        yield f"rates {name}", lambda rates=rates: advance(run, rows, rates)
    locked = np.zeros(6)
    locked.flags.writeable = False
    for name, costs in {
        "short": np.zeros(5), "long": np.zeros(7), "none": np.zeros(0), "float32": np.zeros(6,
        "f4"),
        "matrix": np.zeros((3, 2)), "strided": np.zeros(12)[::2], "read-only": locked,
    }.items():  # fmt: skip
        yield f"costs {name}", lambda costs=costs: advance(run, rows, costs=costs)
    for name, x in {
        "short": flat[1:], "long": np.zeros(P + 1, dtype), "none": flat[:0], "list": flat.tolist(),
        "other": flat.astype(other), "matrix": flat[None], "strided": np.repeat(flat, 2)[::2],
        "None": None, "int": flat.astype(int),
    }.items():  # fmt: skip
        yield f"load {name}", lambda x=x: run.load(x)
        yield f"store {name}", lambda x=x: run.store(x)
        yield f"load_state {name}", lambda x=x: run.load_state(0, x)
        yield f"store_state {name}", lambda x=x: run.store_state(0, x)
        if x is not None:
            yield f"gradient {name}", lambda x=x: run.evaluate(rows, np.zeros(2), x, None)
    for name, x in {
        "short": np.zeros(N - 1), "long": np.zeros(N + 1), "float32": np.zeros(N, "f4"),
        "strided": np.zeros(2 * N)[::2],
    }.items():  # fmt: skip
        yield f"norms {name}", lambda x=x: run.evaluate(rows, np.zeros(2), flat, x)
    yield "store read-only", lambda: run.store(fixed)
    yield "gradient read-only", lambda: run.evaluate(rows, np.zeros(2), fixed, None)
    yield "evaluate nothing", lambda: run.evaluate(rows[:0], np.zeros(2), None, None)
    for slot in (-1, 2, 2**31 - 1, 2**40, None):
        yield f"slot {slot}", lambda slot=slot: run.load_state(slot, flat)
        yield f"stored slot {slot}", lambda slot=slot: run.store_state(slot, flat)
    for n in (0, -1, 3, 2**40, None):
        yield f"set_threads {n}", lambda n=n: run.set_threads(n)
    for steps in ("x", 2**70, 0.5, None):
        yield f"steps {steps}", lambda steps=steps: setattr(run, "steps", steps)


def evaluations_refused(isa, kind, dtype):
    """Yield calls with rows of their own."""
    X, labels = rows_of(dtype)
    run, other = new_run(isa, kind), np.float64 if dtype == np.float32 else np.float32
    good = new_rows(dtype, X, None, labels, None)
    costs, outputs, rows = np.zeros(2), np.zeros(N * K, dtype), np.arange(N)

    def evaluate(data=good, rows=rows, costs=costs, outputs=outputs):
        run.evaluate_rows(data, rows, costs, outputs)

    fixed = outputs.copy()
    fixed.flags.writeable = False
    for name, given in {
        "no rows": {"data": None}, "an array": {"data": X},
        "other dtype": {"data": new_rows(other, X, None, labels, None)},
        "other columns": {"data": new_rows(dtype, X[:, :3], None, labels, None, n_in=3)},
        "other outputs": {"data": new_rows(dtype, X, None, labels, None, n_out=K + 1)},
        "no targets": {"data": new_rows(dtype, X, None, None, None)},
        "empty": {"rows": rows[:0], "outputs": outputs[:0]}, "negative": {"rows": rows - 1},
        "beyond": {"rows": rows + 1}, "int32": {"rows": rows.astype("i4")},
        "list": {"rows": rows.tolist()}, "nothing": {"costs": None, "outputs": None},
        "costs": {"costs": np.zeros(3)}, "other costs": {"costs": np.zeros(2, "f4")},
        "short": {"outputs": outputs[1:]}, "read-only": {"outputs": fixed},
        "other outputs' dtype": {"outputs": outputs.astype(other)},
        "matrix": {"outputs": outputs.reshape(N, K)}, "fewer rows": {"rows": rows[1:]},
    }.items():  # fmt: skip
        yield f"evaluate_rows {name}", lambda given=given: evaluate(**given)
    yield "train without targets", lambda: run.set_rows(new_rows(dtype, X, None, None, None))
    yield "train on an array", lambda: run.set_rows(X)
    yield "train on nothing", lambda: run.set_rows(None)


def predictions_refused(isa, dtype):
    flat, X, output = np.zeros(P, dtype), rows_of(dtype)[0], np.zeros(N * K, dtype)
    other = np.float64 if dtype == np.float32 else np.float32

    def predict(isa=isa, sizes=SIZES, phi=RELU, flat=flat, X=X, output=output, n_threads=1):
        native.predict(isa, sizes, phi, flat, X, output, n_threads)

    fixed = output.copy()
    fixed.flags.writeable = False
    for name, given in {
        "isa": {"isa": "mmx"}, "sizes": {"sizes": [4, 7]}, "other sizes": {"sizes": [4, 8, K]},
        "no size": {"sizes": [4, 0, K]}, "activation": {"phi": [("warp", []), ("softmax", [])]},
        "softmax below": {"phi": [("softmax", []), ("softmax", [])]}, "flat": {"flat": flat[1:]},
        "other flat": {"flat": flat.astype(other)},
        "strided flat": {"flat": np.repeat(flat, 2)[::2]},
        "wide": {"X": np.ones((N, 5))}, "rows": {"X": X[1:]}, "half": {"X": X.astype("f2")},
        "swapped": {"X": X.astype(">f8")}, "list": {"X": X.tolist()}, "None": {"X": None},
        "output": {"output": output[1:]}, "matrix": {"output": output.reshape(N, K)},
        "other output": {"output": output.astype(other)}, "read-only": {"output": fixed},
        "no thread": {"n_threads": 0}, "threads": {"n_threads": 1025},
        "negative": {"n_threads": -2},
    }.items():  # fmt: skip
        yield f"predict {name}", lambda given=given: predict(**given)
    kind = native.RowPredictor32 if dtype == np.float32 else native.RowPredictor64
    for name, arguments in {
        "isa": ("mmx", SIZES, RELU, flat), "flat": (isa, SIZES, RELU, flat[1:]),
        "other": (isa, SIZES, RELU, flat.astype(other)), "sizes": (isa, [4], [], flat),
        "negative": (isa, [4, -7, K], RELU, flat), "activations": (isa, SIZES, RELU[:1], flat),
        "softmax below": (isa, SIZES, [RELU[1], RELU[1]], flat), "None": (isa, SIZES, RELU, None),
    }.items():  # fmt: skip
        yield f"predictor {name}", lambda arguments=arguments: kind(*arguments)
    one = kind(isa, SIZES, RELU, flat)
    x, y = np.zeros(4, dtype), np.zeros(K, dtype)
    for name, pair in {
        "short": (x[1:], y), "long": (np.zeros(5, dtype), y), "output": (x, y[1:]),
        "none": (x[:0], y),
        "other": (x.astype(other), y), "other output": (x, y.astype(other)), "list": ([0.0] * 4, y),
        "matrix": (x[None], y), "strided": (np.zeros(8, dtype)[::2], y), "None": (None, y),
        "read-only": (x, fixed[:K]),
    }.items():  # fmt: skip
        yield f"row {name}", lambda pair=pair: one.predict(*pair)
    for name, call in {
        "function": lambda: native.elementary_into(isa, "warp", x, x.copy()),
        "lengths": lambda: native.elementary_into(isa, "exp", x, x[1:].copy()),
        "activation": lambda: native.activation_into(isa, ("warp", []), x, x.copy(), x.copy()),
        "activation lengths": lambda: native.activation_into(isa, ("relu", []), x, y, x.copy()),
        "kind": lambda: native.knows("schedule", "cosine"),
        "name": lambda: native.knows("loss", None),
    }.items():
        yield name, call


def harmless(isa, kind, dtype):
    """Make calls that may do anything but end the process."""
    X, labels = rows_of(dtype)
    run = new_run(isa, kind)
    run.set_rows(new_rows(dtype, X, None, labels, None))
    assert advance(run, np.arange(0)) == 0
    X.shape = (4, N)  # the rows are still where they were
    advance(run, np.arange(N))
    X.shape = (N, 4)
    labels[...] = 10**6
    for run.steps in (-5, 2**62):
        advance(run, np.arange(N))
    advance(run, np.arange(N), np.full(3, np.nan))
    del X, labels
    run.evaluate(np.arange(N), np.zeros(2), np.zeros(P, dtype), np.zeros(N))
    many = new_run(isa, kind, n_threads=64)
    X, labels = rows_of(dtype)
    many.set_rows(new_rows(dtype, X, None, labels, None))
    advance(many, np.arange(N))
    native.predict(isa, SIZES, RELU, np.zeros(P, dtype), X, np.zeros(N * K, dtype), 1024)
    native.predict(isa, SIZES, RELU, np.zeros(P, dtype), X[:0], np.zeros(0, dtype), 2)


def say(line):
    sys.stdout.write(line + "\n")


def main():
    calls = 0
    for isa in native.isas():
        for dtype, kind in ((np.float32, native.Run32), (np.float64, native.Run64)):
            for refused in (
                constructions(isa, kind), rows_refused(isa, kind, dtype),
                steps_refused(isa, kind, dtype), evaluations_refused(isa, kind, dtype),
                predictions_refused(isa, dtype),
            ):  # fmt: skip
                for name, call in refused:
                    calls += 1
                    try:
                        call()
                    except (ValueError, TypeError):
                        continue
                    except Exception as error:
                        say(f"{isa} {np.dtype(dtype)}: {name}: {error!r}")
                    else:
                        say(f"{isa} {np.dtype(dtype)}: {name}: accepted")
            harmless(isa, kind, dtype)
    say(f"{calls} calls")


if __name__ == "__main__":
    main()
