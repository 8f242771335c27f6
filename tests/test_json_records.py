"""JSON: no value becomes null or another because of what is in other rows."""

import pytest

from backpass.errors import TableError
from backpass.tabular.json_records import parse_json
from tables import read

HUGE = 10**23
JSON = {
    "late decimals": ('{"a":1}\n{"a":2.5}', {"a": [1.0, 2.5]}),
    "late text": ('{"a":1}\n' * 500 + '{"a":"x"}', {"a": ["1"] * 500 + ["x"]}),
    "text first": ('{"a":"x"}\n{"a":1.50}', {"a": ["x", "1.50"]}),
    "truth and text": ('{"a":true}\n{"a":"x"}\n{"a":null}', {"a": ["true", "x", None]}),
    "truth and numbers": ('{"a":true}\n{"a":1}', {"a": ["true", "1"]}),
    "late keys": ('{"a":1}\n{"b":2}', {"a": [1, None], "b": [None, 2]}),
    "unsigned": (f'{{"a":{2**64 - 1}}}\n{{"a":-1}}', {"a": [float(2**64 - 1), -1.0]}),
    "huge": (f'{{"a":{HUGE}}}', {"a": [float(HUGE)]}),
    "a float's exact text": ('{"a":0.1}', {"a": [0.1]}),
    "NaN": ('{"a":NaN}\n{"a":1}', {"a": [None, 1]}),
    "only null": ('{"a":null}', {"a": [None]}),
    "dates": ('{"a":"2020-01-02"}\n{"a":null}', {"a": ["2020-01-02", None]}),
    "dates and text": ('{"a":"2020-01-02"}\n{"a":"soon"}', {"a": ["2020-01-02", "soon"]}),
    "spread over lines": ('[\n {"a": 1,\n  "b": 2},\n {"a": 3}]', {"a": [1, 3], "b": [2, None]}),
    "no name": ('{"":1}', {"": [1]}),
    "lists": ('{"a":[1]}\n{"a":[2,3]}', {"a": [[1], [2, 3]]}),
    "fields that differ": (
        '{"a":{"x":1}}\n{"a":{"y":2}}',
        {"a": [['{"x": 1}'], ['{"y": 2}']]},
    ),
    "lists and numbers": ('{"a":[1]}\n{"a":2}', {"a": [["[1]"], ["2"]]}),
}


@pytest.mark.parametrize(("text", "expected"), JSON.values(), ids=JSON)
def test_json(text, expected):
    frame = parse_json(text.encode(), "t.json")
    assert frame.to_dict(as_series=False) == expected


NO_RECORDS = {
    "columns": ('{"a":[1,2],"b":["x","y"]}', "a JSON object of columns, or around its records; "),
    "wrapped": ('{"ok":true,"rows":[{"a":1}]}', "a JSON object of columns, or around its records"),
    "numbers": ("[1,2]", "JSON that is no list of records; write"),
    "rows": ("[1,2]\n[3,4]", "JSON that is no list of records; write"),
    "one is none": ('{"a":1}\n3', "JSON that is no list of records; write"),
    "cut off": ('{"a":1}\n{"a":', "line 2: damaged JSON: Expecting value; mend it"),
    "list cut off": ('[{"a":1},\n{"a"', "line 2: damaged JSON: "),
    "more behind": ('[{"a":1}] x', "line 1: damaged JSON: "),
    "twice": ('{"a":1,"a":2}', "a record names 'a' twice"),
    "deep": ('{"a":' + "[" * 100_000, "nested too deeply"),
    "long": ('{"a":' + "1" * 5000 + "}", "too long a number"),
}


@pytest.mark.parametrize(("text", "message"), NO_RECORDS.values(), ids=NO_RECORDS)
def test_json_that_is_refused(text, message):
    with pytest.raises(TableError) as caught:
        parse_json(text.encode(), "t.json")
    assert str(caught.value).startswith("t.json")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("header", ["[a],[b]", "[1],[2]", "{a},b"])
def test_brackets_in_a_header_are_no_json(tmp_path, header):
    frame = read(tmp_path, f"{header}\n1,2\n".encode())
    assert frame.rows() == [(1, 2)]
    assert frame.columns == header.split(",")
