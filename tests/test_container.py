"""Model files: what is written is read back, and nothing else is ever read."""

import hashlib
import json

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from backpass.errors import ModelFileError
from backpass.storage import container as model_file
from backpass.storage.container import read_container, write_container
from backpass.storage.schema import Int, ListOf, MapOf, Optional, Rule, Text

SCHEMA = {"name": Text(), "sizes": ListOf(Int(min=1)), "note": Optional(Text())}
META = {"name": "é\ud800\n", "sizes": [2, 1]}
DTYPES = ["f8", "f4", "i8", "u1", "?"]


def same(left, right):
    """Whether two results of `read_container` are equal to the last bit."""
    assert left[0] == right[0]
    assert list(left[1]) == list(right[1])
    for name, array in left[1].items():
        other = right[1][name]
        assert (array.dtype, array.shape) == (other.dtype, other.shape)
        assert array.tobytes() == other.tobytes()


def raw(header, data=b""):
    """The bytes of a file with any header, be it a dict, a text or bytes."""
    text = header if isinstance(header, str | bytes) else json.dumps(header)
    text = text.encode() if isinstance(text, str) else text
    return len(text).to_bytes(8, "little") + text + data


def signed(entries, data=b"", meta="{}", kind="model", **changes):
    """A file with a right checksum, written from the description and not by our code."""
    texts = {
        "format": "backpass",
        "format_version": "1",
        "backpass_version": "0",
        "kind": kind,
        "meta": meta,
    } | changes
    digest = hashlib.sha256(json.dumps(texts, sort_keys=True, separators=(",", ":")).encode())
    for name, entry in sorted(entries.items()):
        line = json.dumps([name, entry["dtype"], entry["shape"]], separators=(",", ":"))
        begin, end = entry["data_offsets"][:2]
        digest.update(f"\n{line}\n".encode() + data[begin:end])
    texts["sha256"] = digest.hexdigest()
    return raw({"__metadata__": texts, **entries}, data)


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def refusal(path, data, schema=None, kind="model"):
    """The message with which a file of these bytes is refused."""
    path.write_bytes(data)
    with pytest.raises(ModelFileError) as caught:
        read_container(path, kind, MapOf(Text()) if schema is None else schema)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.isprintable()
    assert len(message) < len(str(path)) + 400
    return message


@pytest.fixture
def path(tmp_path):
    return tmp_path / "m.backpass"


@pytest.fixture
def small(path):
    """A small file with a tensor of each size of item."""
    tensors = {"W": np.array([[1.5], [-0.0]]), "flag": np.array([True]), "n": np.array(7)}
    write_container(path, "model", META, tensors)
    return path.read_bytes()


def laid_out(array, order):
    """The same array in another memory order, as far as it has dimensions to order."""
    if order == "read-only":
        array = array.copy()
        array.flags.writeable = False
    layouts = {
        "F": np.asfortranarray,
        ">": lambda x: x.astype(x.dtype.newbyteorder(">")),
        "strided": lambda x: np.repeat(x, 2, axis=0)[::2],
    }
    return layouts[order](array) if order in layouts and (array.shape or order == ">") else array


@pytest.mark.parametrize("order", ["C", "F", ">", "strided", "read-only"])
def test_every_dtype_shape_and_memory_order_comes_back(path, order):
    rng, arrays = np.random.default_rng(0), {}
    for dtype in DTYPES:
        for shape in ((), (0,), (3, 0, 2), (1,), (2, 3), (2, 3, 4)):
            drawn = rng.integers(0, 2, shape) if dtype == "?" else 100 * rng.random(shape)
            arrays[f"array-{len(arrays):02}"] = np.asarray(drawn).astype(dtype)
    given_arrays = {name: laid_out(array, order) for name, array in arrays.items()}
    write_container(path, "model", META, given_arrays)
    result = read_container(path, "model", SCHEMA)
    same(result, (META, arrays))
    for array in result[1].values():
        assert array.flags.c_contiguous
        assert array.flags.writeable
        assert array.dtype.isnative


ARRAYS = st.one_of(
    *(hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0)) for dtype in DTYPES)
)
NAMES = st.text("abzAZ059_.:/-", min_size=1, max_size=9)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)  # fmt: skip


class Anything(Rule):
    def require(self, value, where):
        pass


@given(meta=st.dictionaries(st.text(), JSON), tensors=st.dictionaries(NAMES, ARRAYS))
def test_any_content_comes_back_and_safetensors_agrees(tmp_path_factory, meta, tensors):
    path = tmp_path_factory.getbasetemp() / "any.backpass"
    write_container(path, "model", meta, tensors)
    first = path.read_bytes()
    result = read_container(path, "model", Anything())
    same(result, (meta, dict(sorted(tensors.items()))))
    same((meta, dict(sorted(safetensors.numpy.load_file(path).items()))), result)
    write_container(path, "model", meta, dict(reversed(tensors.items())))
    assert path.read_bytes() == first  # equal content, equal files


def test_a_file_that_safetensors_wrote_with_our_texts_is_read(path, small):
    with safetensors.safe_open(path, framework="np") as file:
        texts, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    expected = read_container(path, "model", SCHEMA)
    safetensors.numpy.save_file(tensors, path, metadata=texts)
    same(read_container(path, "model", SCHEMA), expected)


def test_the_format_is_the_described_one(path):
    data = np.array([1.0, 2.0]).tobytes() + b"\1"
    entries = {"b": entry("F64", [2], 0, 16), "a": entry("BOOL", [1], 16, 17)}
    path.write_bytes(signed(entries, data, meta='{"k":"v"}'))
    meta, tensors = read_container(path, "model", MapOf(Text()))
    same((meta, tensors), ({"k": "v"}, {"a": np.array([True]), "b": np.array([1.0, 2.0])}))


def test_tensors_start_at_multiples_of_their_item_size(small):
    start = 8 + int.from_bytes(small[:8], "little")
    places = {name: e.get("data_offsets") for name, e in json.loads(small[8:start]).items()}
    assert start % 8 == 0
    assert places == {"W": [0, 16], "n": [16, 24], "flag": [24, 25], "__metadata__": None}


def test_a_file_cut_at_any_byte_is_refused(path, small):
    for cut in [*(small[:length] for length in range(len(small))), small + b"\0"]:
        assert "damaged" in refusal(path, cut, SCHEMA)


def test_no_single_flipped_bit_changes_what_is_read(path, small):
    expected = read_container(path, "model", SCHEMA)
    refused = 0
    for bit in range(8 * len(small)):
        damaged = bytearray(small)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            result = read_container(path, "model", SCHEMA)
        except ModelFileError:
            refused += 1
        else:
            same(result, expected)
    assert refused > 0.99 * 8 * len(small)


@given(data=st.binary(max_size=60) | st.binary(max_size=60).map(raw) | JSON.map(raw))
def test_random_bytes_are_refused(tmp_path_factory, data):
    refusal(tmp_path_factory.getbasetemp() / "random.backpass", data)


ONE = entry("U8", [1], 0, 1)
HOSTILE = {
    "empty": (b"", "0 bytes"),
    "pickle": (b"\x80\x04\x95" + bytes(40), "or no model file"),
    "text": (b"age,income,class\n1,2,3\n", "not a file that backpass wrote"),
    "a header of 2**64 - 1 bytes": (b"\xff" * 8, "not a file that backpass wrote"),
    "a header longer than the file": (raw("{}")[:-1], "cut short"),
    "not UTF-8": (raw(b'{"\xff":1}'), "not UTF-8 at byte 10"),
    "not JSON": (raw("{'a': 1}"), "invalid JSON: Expecting property name"),
    "a list": (raw("[]"), "no JSON object"),
    "deep nesting": (raw("[" * 100_000), "nested too deeply"),
    "NaN": (raw('{"a": NaN}'), "NaN is not allowed"),
    "an overflowing float": (raw('{"a": 1e999}'), '"1e999" overflows'),
    "a huge integer": (raw('{"a": %s}' % ("9" * 100_000)), "100000 digits"),
    "a repeated tensor": (raw('{"a": 1, "a": 2}'), '"a" appears twice'),
    "a repeated text": (raw('{"__metadata__": {"k": "1", "k": "2"}}'), '"k" appears twice'),
    "a file of others": (raw({"a": ONE}, b"x"), "backpass did not write it"),
    "metadata of others": (raw({"__metadata__": {"format": "pt"}}), "backpass did not write it"),
    "a list as metadata": (raw({"__metadata__": []}), "backpass did not write it"),
    "no version": (signed({}, format_version=""), "format_version is no number"),
    "version 0": (signed({}, format_version="0"), "format_version is no number"),
    "a foreign digit as version": (signed({}, format_version="٣"), "format_version is no number"),
    "one text more": (signed({}, extra="x"), "__metadata__.extra: unknown key"),
    "a number as kind": (signed({}, kind=3), "__metadata__.kind: expected a text, found 3"),
    "a name with an escape": (signed({"\x1b[2J": ONE}, b"x"), 'name "\\u001b[2J" is not'),
    "another dtype": (signed({"a": entry("F16", [1], 0, 2)}, b"xx"), "a.dtype: expected one of"),
    "an entry's extra key": (signed({"a": ONE | {"z": 1}}, b"x"), "a.z: unknown key"),
    "a number as entry": (raw(signed({})[8:-1] + b',"a":1}'), "a: expected an object"),
    "a negative side": (signed({"a": entry("U8", [-1], 0, 1)}, b"x"), "a.shape[0]: expected"),
    "a boolean side": (signed({"a": entry("U8", [True], 0, 1)}, b"x"), "a.shape[0]: expected"),
    "33 sides": (signed({"a": entry("U8", [1] * 33, 0, 1)}, b"x"), "a.shape: expected"),
    "a huge shape": (signed({"a": entry("F64", [2**61], 0, 8)}, bytes(8)), "do not fit"),
    "an overflowing shape": (signed({"a": entry("F64", [2**32] * 2, 0, 0)}), "do not fit"),
    "a huge empty shape": (signed({"a": entry("F64", [0, 2**60], 0, 0)}), "too large"),
    "offsets past the end": (signed({"a": entry("U8", [9], 0, 9)}, b"x"), "cut short"),
    "reversed offsets": (signed({"a": entry("U8", [1], 1, 0)}, b"x"), "do not fit"),
    "three offsets": (signed({"a": ONE | {"data_offsets": [0, 1, 1]}}, b"x"), "of exactly 2"),
    "a gap": (signed({"a": entry("U8", [1], 1, 2)}, b"xx"), "do not follow"),
    "an overlap": (signed({"a": ONE, "b": ONE}, b"x"), "do not follow"),
    "bytes at the end": (signed({"a": ONE}, b"xy"), "too long"),
    "a bad boolean": (signed({"a": entry("BOOL", [1], 0, 1)}, b"\2"), "neither 0 nor 1"),
    "a wrong checksum": (signed({"a": ONE}, b"x")[:-1] + b"y", "SHA-256 does not match"),
    "broken inner JSON": (signed({}, meta="{"), "invalid JSON"),
    "repeated inner keys": (signed({}, meta='{"a":"1","a":"2"}'), '"a" appears twice'),
    "another inner type": (signed({}, meta='{"a":1}'), "a: expected a text, found 1; the file is"),
    "another kind": (signed({}, kind="network"), 'holds a "network", not a "model"'),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_are_refused_with_the_reason(path, case):
    data, reason = HOSTILE[case]
    assert reason in refusal(path, data)


def test_a_sparse_file_of_a_terabyte_is_refused_before_anything_is_read(path):
    path.write_bytes(signed({"a": ONE}, b"x"))
    with path.open("r+b") as file:
        file.truncate(2**40)
    with pytest.raises(ModelFileError, match="too long: the tensors need 1 bytes"):
        read_container(path, "model", {})


def test_no_array_is_read_before_the_json_was_checked(monkeypatch, path):
    monkeypatch.setattr(model_file, "read_array", lambda *_: pytest.fail("an array was read"))
    assert "expected a text" in refusal(path, signed({"a": ONE}, b"x", meta='{"a":1}'))
    assert "not a" in refusal(path, signed({"a": ONE}, b"x", kind="network"))


def test_a_later_version_says_what_to_install(path):
    message = refusal(path, signed({}, format_version="3", backpass_version="3.1"))
    assert 'format version 3, this one reads up to 2; install backpass "3.1"' in message


def test_a_file_too_large_for_the_memory_is_refused(monkeypatch, path, small):
    def no_memory(*_):
        raise MemoryError

    monkeypatch.setattr(model_file, "read_array", no_memory)
    with pytest.raises(ModelFileError, match="does not fit into the memory"):
        read_container(path, "model", SCHEMA)


def test_paths_that_are_no_files_are_refused(tmp_path):
    for name, reason in [(".", "it is not a file"), ("none", "no such file"), ("x" * 300, "long")]:
        with pytest.raises(ModelFileError, match=f"cannot be read: .*{reason}.*check the path"):
            read_container(tmp_path / name, "model", {})


@pytest.mark.parametrize(
    ("meta", "tensors", "reason"),
    [
        ({"a": float("nan")}, {}, "cannot be written as JSON"),
        ({"a": object()}, {}, "cannot be written as JSON"),
        ({"a": 10**50}, {}, "51 digits"),
        ({1: 0, "1": 0}, {}, "cannot be written as JSON|appears twice"),
        ({}, {"a": np.zeros(2, np.float16)}, "dtype float16; convert it to float64"),
        ({}, {"a": np.zeros(2, np.int32)}, "dtype int32"),
        ({}, {"a": np.array([None])}, "dtype object"),
        ({}, {"a": np.array(["x"])}, "dtype <U1"),
        ({}, {"a": np.array([2], np.uint8).view(bool)}, "neither 0 nor 1"),
        ({}, {"a": [1.0]}, "not a NumPy array but a list"),
        ({}, {"a b": np.zeros(2)}, 'name "a b" is not allowed'),
        ({}, {"__metadata__": np.zeros(2)}, "is not allowed"),
        ({}, {"a": np.zeros((1,) * 33)}, "a.shape: expected a list"),
    ],
)
def test_what_cannot_be_stored_is_refused_and_the_old_file_stays(
    path, small, meta, tensors, reason
):
    with pytest.raises(ModelFileError, match=reason):
        write_container(path, "model", meta, tensors)
    assert path.read_bytes() == small
    assert list(path.parent.iterdir()) == [path]
