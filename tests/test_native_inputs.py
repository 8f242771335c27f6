"""Whatever array holds the numbers, the native engine computes what it does on a plain one."""

import functools

import numpy as np
import pytest
import scipy.sparse

from backpass import MLPClassifier, MLPRegressor, train
from backpass.engines.native_arrays import is_direct
from helpers import assert_close, assert_identical
from native_cases import (
    NATIVE,
    every_dtype,
    every_isa,
    forced,
    needs_native,
    new_network,
    seen_by,
    training_on,
)
from rounding import bounds

pytestmark = needs_native

N, COLUMNS = 37, 19
RNG = np.random.default_rng(0)
NUMBERS = RNG.integers(0, 2, (N, COLUMNS)) * RNG.integers(1, 100, (N, COLUMNS))
NUMBERS[4] = 0  # an empty row

TYPES = [
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16",
    "float32", "float64", "longdouble", ">f4", ">f8", ">i2", ">u8", "<f4",
]  # fmt: skip


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


def misaligned(x):
    """Return `x` one byte into a buffer."""
    return np.frombuffer(b"\0" + x.tobytes(), dtype=x.dtype, offset=1 if x.size else 0,
                         count=x.size).reshape(x.shape) if x.itemsize > 1 else x  # fmt: skip


def spread(x):
    """Return `x` as every third column and every second row of a larger array."""
    larger = np.zeros((2 * len(x), 3 * x.shape[1]), dtype=x.dtype)
    larger[::2, 1::3] = x
    return larger[::2, 1::3]


def field(x):
    """Return `x` as a field of records: strides that are no multiple of its itemsize."""
    records = np.zeros(x.shape, dtype=np.dtype([("pad", "u1"), ("x", x.dtype)]))
    records["x"] = x
    return records["x"]


def repeated(x):
    """Return a row that is there N times, with stride 0."""
    return np.broadcast_to(x[0], x.shape)


LAYOUTS = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "reversed": lambda x: np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1],
    "transposed": lambda x: np.ascontiguousarray(x.T).T,
    "spread": spread,
    "read-only": read_only,
    "misaligned": misaligned,
    "field": field,
    "stride 0": repeated,
    "one column of another": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
}


def computed(X, dtype, y=None, rows=N, **options):
    """Return what training, evaluating and predicting on `X` give."""
    network = new_network((X.shape[1], 9, 3), "tanh", "softmax", "cross_entropy", dtype)
    y = np.arange(rows) % 3 if y is None else y
    given = training_on(network, (X, y, None), batch_size=8, dropout=0.1, seed=3, **options)
    run = NATIVE.start(given)
    order = np.random.default_rng(1).integers(0, rows, 43)
    costs = run.advance(order, [0.01] * 6)
    run.publish()
    return {
        "costs": costs,
        "parameters": network.parameters.flat,
        "m": run.state["m"],
        "gradient": run.evaluate(order).gradient,
        "squares": run.squared_norms(order),
        "output": NATIVE.predict(network.model, X),
        "few": NATIVE.predict(network.model, X[:3]),
    }


def assert_same(got, want):
    for name in want:
        assert_identical(got[name], want[name], name)


@functools.cache
def plain(kind, layout, dtype):
    """Return what the numbers of an array give as a plain one of the parameters' dtype."""
    X = repeated(NUMBERS) if layout == "stride 0" else NUMBERS
    return computed(np.ascontiguousarray(X.astype(kind).astype(dtype)), dtype)


@every_dtype
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", TYPES)
def test_arrays_of_every_type_and_layout(kind, layout, dtype):
    X = LAYOUTS[layout](NUMBERS.astype(kind))
    assert X.shape == NUMBERS.shape
    before = X.copy()
    assert_same(computed(X, dtype), plain(kind, layout, dtype))
    np.testing.assert_array_equal(X, before)


@every_isa
@every_dtype
@pytest.mark.parametrize("kind", ["uint8", "int64", "float32", "float64"])
@pytest.mark.parametrize("columns", [1, 2, 15, 16, 17, 33])
def test_edges_of_a_vector_on_every_instruction_set(columns, kind, dtype, isa):
    X = RNG.integers(0, 200, (N, columns)).astype(kind)
    with forced(isa):
        want = computed(X.astype(dtype), dtype)
        for layout in ("C", "Fortran", "reversed"):
            assert_same(computed(LAYOUTS[layout](X), dtype), want)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["float64", "float32", "int64", "uint64"])
def test_numbers_are_rounded_as_numpy_rounds_them(kind, dtype):
    """Large and small ones too: a conversion in native code is NumPy's."""
    if kind.startswith("float"):
        X = (RNG.normal(size=(N, 5)) * 10.0 ** RNG.integers(-30, 5, (N, 5))).astype(kind)
    else:
        X = RNG.integers(0, 2**63, (N, 5), dtype=kind)
        X[0] = np.iinfo(kind).max
    assert_same(computed(X, dtype), computed(X.astype(dtype), dtype))


@every_dtype
def test_a_file_in_memory(dtype, tmp_path):
    path = tmp_path / "x.bin"
    for kind in ("uint8", "float32", ">f4"):
        NUMBERS.astype(kind).tofile(path)
        for order in "CF":
            X = np.memmap(path, kind, "r", shape=(N, COLUMNS), order=order)
            assert_same(computed(X, dtype), computed(np.array(X).astype(dtype), dtype))


# --- sparse ------------------------------------------------------------------------------------


def duplicates(x):
    """Return CSR with every entry in two parts, the second ones in the opposite order."""
    x = x.tocsr()
    data, indices, indptr = [], [], [0]
    for n in range(x.shape[0]):
        here = slice(x.indptr[n], x.indptr[n + 1])
        data += [*x.data[here], *(2 * x.data[here])[::-1]]
        indices += [*x.indices[here], *x.indices[here][::-1]]
        indptr.append(len(data))
    return scipy.sparse.csr_array((np.array(data, x.dtype), indices, indptr), shape=x.shape)


def unsorted(x):
    x = x.tocsr()
    for n in range(x.shape[0]):
        here = slice(x.indptr[n], x.indptr[n + 1])
        x.data[here], x.indices[here] = x.data[here][::-1].copy(), x.indices[here][::-1].copy()
    x.has_sorted_indices = False
    return x


def wide(x):
    x = x.tocsr()
    x.indices, x.indptr = x.indices.astype(np.int64), x.indptr.astype(np.int64)
    return x


def mixed(x):
    x = x.tocsr()
    x.indptr = x.indptr.astype(np.int64)
    return x


def with_room(x):
    """Return CSR whose arrays are longer than what indptr says is used."""
    x = x.tocsr()
    x.data, x.indices = np.append(x.data, x.data[:1]), np.append(x.indices, [0]).astype(np.int32)
    return x


SPARSE = {
    "csr": lambda x: x.tocsr(),
    "int64 indices": wide,
    "mixed indices": mixed,
    "unsorted": unsorted,
    "duplicates": duplicates,
    "explicit zeros": lambda x: scipy.sparse.csr_array(
        (np.zeros(1, x.dtype), ([0], [0])), shape=x.shape
    ),
    "with room": with_room,
    "no entries": lambda x: scipy.sparse.csr_array(x.shape, dtype=x.dtype),
    "matrix": scipy.sparse.csr_matrix,
    "csc": lambda x: x.tocsc(),
    "coo": lambda x: x.tocoo(),
    "lil": lambda x: x.tolil(),
    "dok": lambda x: x.todok(),
    "bsr": lambda x: x.tobsr(),
    "dia": lambda x: x.todia(),
}


@every_dtype
@pytest.mark.parametrize("form", SPARSE)
@pytest.mark.parametrize("kind", ["float32", "float64", "uint16", "int32", "longdouble"])
def test_sparse_arrays(form, kind, dtype):
    X = SPARSE[form](scipy.sparse.coo_array(NUMBERS.astype(kind)))
    want = computed(np.ascontiguousarray(X.toarray().astype(dtype)), dtype)
    network = new_network((COLUMNS, 9, 3), "tanh", "softmax", "cross_entropy", dtype)
    if form in ("coo", "dia", "bsr"):  # no rows can be taken of these: only whole
        assert_identical(NATIVE.predict(network.model, X), NATIVE.predict(
            network.model, X.toarray().astype(dtype)
        ))  # fmt: skip
        return
    assert_same(computed(X, dtype), want)


def test_small_integers_that_stand_twice_do_not_overflow():
    entries = np.full(4, 200, np.uint8), [1, 1, 0, 2], [0, 2, 4]
    X = scipy.sparse.csr_array(entries, shape=(2, 3))
    network = new_network((3, 4, 2))
    want = network.predict(np.array([[0, 400, 0], [200, 0, 200]]))
    for engine in ("native", "reference"):
        np.testing.assert_allclose(network.predict(X, engine=engine), want, rtol=1e-12)


@every_isa
@every_dtype
def test_sparse_rows_on_every_instruction_set(dtype, isa):
    with forced(isa):
        for columns in (1, 15, 16, 17, 300):
            X = scipy.sparse.random_array((N, columns), density=0.2, format="csr", rng=RNG)
            X = X.astype(dtype)
            assert_same(computed(X, dtype), computed(X.toarray(), dtype))
            assert_same(computed(wide(X), dtype), computed(X.toarray(), dtype))


@every_isa
@every_dtype
@pytest.mark.parametrize("form", ["csr", "int64 indices", "unsorted", "duplicates"])
def test_rows_with_few_entries_go_entry_by_entry(form, dtype, isa):
    """The same bytes as with dense rows: entries are in the order of the columns, once each."""
    X = scipy.sparse.random_array((300, 523), density=0.01, format="csr", rng=RNG)
    X = SPARSE[form]((100 * X).astype(dtype))
    network = new_network((523, 33, 3), "tanh", "softmax", "cross_entropy", dtype)
    y, rows = np.arange(300) % 3, np.random.default_rng(0).integers(0, 300, 200)
    found, squares = [], []
    for x in (X, X.toarray()):
        given = training_on(network, (x, y, None), "sgd", batch_size=50, n_threads=2)
        with forced(isa):
            run, flat = NATIVE.start(given), network.parameters.flat.copy()
            found.append([NATIVE.predict(network.model, x), *run.evaluate(rows)])
            squares.append(run.squared_norms(rows))
            found[-1].append(run.advance(rows, [0.01] * 4))
            run.publish()
            found[-1].append(network.parameters.flat.copy())
            network.parameters.flat[...] = flat
    # a sum of squares over a row is blocked in another way: 523 terms of one sign
    assert_close(squares[0], squares[1], 523 * np.finfo(dtype).eps * squares[1], "squared norms")
    for got, want in zip(*found, strict=True):
        assert_identical(got, want)
    right = bounds(seen_by(network, training_on(network, (X.toarray(), y, None)), rows))
    assert_close(found[0][3], right.gradient.value, right.gradient.error, "gradient")
    right = bounds(seen_by(network, training_on(network, (X.toarray(), y, None)), np.arange(300)))
    assert_close(found[0][0], right.output.value, right.output.error, "output")


# --- targets and weights -----------------------------------------------------------------------


@every_dtype
@pytest.mark.parametrize("kind", [t for t in TYPES if t != "bool"])
def test_labels_of_every_type(kind, dtype):
    X, y = NUMBERS.astype(dtype), np.arange(N) % 3
    want = computed(X, dtype, y)
    for form in (y.astype(kind), y.astype(kind)[:, None], spread(y.astype(kind)[:, None])):
        assert_same(computed(X, dtype, form), want)
    assert_same(computed(X, dtype, read_only(y.astype(kind))), want)


@every_dtype
@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "stride 0"])
def test_numeric_targets_of_every_type_and_layout(layout, dtype):
    def found(y):
        network = new_network((COLUMNS, 5, 2), "relu", dtype=dtype)
        given = training_on(network, (NUMBERS.astype(dtype), y, None), batch_size=10)
        run = NATIVE.start(given)
        return run.advance(np.arange(N), [0.01] * 4), run.evaluate(np.arange(N)).gradient

    for kind in TYPES:
        numbers = (NUMBERS[:, :2] % 7).astype(kind)
        pairs = zip(found(LAYOUTS[layout](numbers)), found(numbers.astype(dtype)), strict=True)
        for got, want in pairs:
            assert_identical(got, want, kind)


@every_dtype
@pytest.mark.parametrize("change", ["float16", "int8", "bool", ">f8", "list", "strided"])
def test_weights_of_every_form(change, dtype):
    s = np.arange(N) % 3
    s = s.astype(bool) if change == "bool" else s
    form = {"list": list, "strided": lambda s: np.repeat(s, 2)[::2]}.get(
        change, lambda s: s.astype(change)
    )
    results = []
    for weights in (form(s), s.astype(dtype)):
        network = new_network((COLUMNS, 5, 3), "relu", "softmax", "cross_entropy", dtype)
        batch = NUMBERS.astype(dtype), np.arange(N) % 3, weights
        run = NATIVE.start(training_on(network, batch, batch_size=10))
        results.append((run.advance(np.arange(N), [0.01] * 4), run.noise(np.arange(N))))
    for got, want in zip(*results, strict=True):
        assert_identical(got, want)


# --- through the faces -------------------------------------------------------------------------


def test_estimators_fit_the_same_on_every_form():
    X, y = NUMBERS.astype(np.float64), np.arange(N) % 3
    common = {"hidden_layer_sizes": (6,), "max_iter": 200, "tol": 0.1, "random_state": 0,
              "engine": "native"}  # fmt: skip
    want = MLPClassifier(**common).fit(X, y)
    for form in (
        NUMBERS, NUMBERS.astype("uint8"), np.asfortranarray(X), X.tolist(), spread(X),
        scipy.sparse.csr_array(X), scipy.sparse.csc_matrix(X), scipy.sparse.coo_array(NUMBERS),
        read_only(X), X.astype("f2"), X.astype(">f8"),
    ):  # fmt: skip
        got = MLPClassifier(**common).fit(form, y)
        assert got.engine_ == "native"
        assert_identical(got.network_.parameters.flat, want.network_.parameters.flat)
        assert_identical(got.predict_proba(form), want.predict_proba(X))


def test_objects_are_converted_by_the_estimator_and_left_to_the_reference_engine_elsewhere():
    X, y = NUMBERS.astype(np.float64), NUMBERS[:, 0].astype(float)
    common = {"hidden_layer_sizes": (3,), "max_iter": 300, "tol": 1e3, "random_state": 0}
    got = MLPRegressor(**common).fit(X.astype(object), y)
    assert got.engine_ == "native"
    assert_identical(got.predict(X), MLPRegressor(**common).fit(X, y).predict(X))
    network = new_network((COLUMNS, 4, 1))
    np.testing.assert_allclose(network.predict(X.astype(object)), network.predict(X), rtol=1e-12)


def test_a_network_trains_on_every_form():
    results = []
    for X in (
        NUMBERS.astype(float), NUMBERS, scipy.sparse.csr_matrix(NUMBERS),
        scipy.sparse.coo_array(NUMBERS.astype(float)), NUMBERS.astype(float)[:, :],
    ):  # fmt: skip
        network = new_network((COLUMNS, 4, 1), "relu")
        train(network, X, NUMBERS[:, 1], engine="native", seed=0, epochs=2, batch_size=10)
        results.append(network.parameters.flat)
    for got in results[1:]:
        assert_identical(got, results[0])


def test_what_is_read_where_it_lies():
    X = NUMBERS.astype("f4")
    assert is_direct(X)
    assert is_direct(spread(X))
    assert is_direct(X[::-1])
    assert is_direct(scipy.sparse.csr_array(X))
    assert is_direct(X[:0])
    for form in (field(X), misaligned(X), X.astype("f2"), X.astype(">f4")):
        assert not is_direct(form)
    assert not is_direct(scipy.sparse.csc_array(X))
