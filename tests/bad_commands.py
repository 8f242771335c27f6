"""Wrong command lines of all commands but ``fit``; see `bad_tables`."""

import json

import numpy as np

from bad_fits import FITS
from bad_tables import GOOD, TABLES, Command, npy, npz, parquet, table

__all__ = ["COMMANDS"]

FULL = b"age,city,height,code,old\n"
ROW = FULL + b"30,Bonn,170,1,no\n"
PREDICT, EVALUATE = ["predict", "m.backpass", "t.csv"], ["evaluate", "m.backpass", "t.csv"]
TRACE = ["trace", "m.backpass", "people.csv"]
CHECK = ["check", "m.backpass", "people.csv"]
HOMEWORK = ["homework", "m.backpass", "people.csv"]
EXPORT = ["export", "m.backpass", "--onnx"]


def asking(command: list[str], text: str, words: str) -> Command:
    """Return a case without files of its own: a command with more arguments."""
    return Command({}, [*command, *text.split(" ")] if text else command, words)


# --- the model ---------------------------------------------------------------------------------


def of_model(name: str, words: str, *able: str) -> dict[str, Command]:
    """Return a case for every command that takes a model, but those `able` to read this one."""
    commands = {
        "predict": ["predict", name, "people.csv", "-o", "p.csv"],
        "evaluate": ["evaluate", name, "people.csv", "--json", "r.json"],
        "trace": ["trace", name, "people.csv", "-o", "o.html"],
        "check": ["check", name, "people.csv"],
        "homework": ["homework", name, "people.csv", "--answer", "a.csv"],
        "export": ["export", name, "--onnx", "m.onnx"],
    }
    files = {"a.csv": b"1,2\n", **MODELS.get(name, {})}
    return {
        f"{command}: {name}": Command(files, line, words)
        for command, line in commands.items()
        if command not in able
    }


MODELS = {
    "cut.backpass": {"cut.backpass": ("m.backpass", lambda data: data[:-9])},
    "half.backpass": {"half.backpass": ("m.backpass", lambda data: data[: len(data) // 9])},
    "flipped.backpass": {
        "flipped.backpass": ("m.backpass", lambda data: data[:-1] + bytes([data[-1] ^ 1]))
    },
    "newer.backpass": {
        "newer.backpass": (
            "m.backpass",
            lambda data: data.replace(b'"format_version":"1"', b'"format_version":"9"'),
        )
    },
    "empty.backpass": {"empty.backpass": b""},
    "pickle.backpass": {"pickle.backpass": b"\x80\x04\x95\x10\0\0\0\0\0\0\0}\x94."},
}

MODEL_CASES = {
    **of_model("x.backpass", "x.backpass no such file"),
    **of_model("run", "run not a file check the path"),
    **of_model("notes", "notes"),
    **of_model("people.csv", "people.csv"),
    **of_model("n.backpass", "n.backpass network model", "export", "trace", "check", "homework"),
    **of_model("cut.backpass", "cut.backpass damaged"),
    **of_model("half.backpass", "half.backpass damaged"),
    **of_model("flipped.backpass", "flipped.backpass damaged"),
    **of_model("newer.backpass", "newer.backpass newer"),
    **of_model("empty.backpass", "empty.backpass empty"),
    **of_model("pickle.backpass", "pickle.backpass"),
    "a checkpoint as model": Command(
        {},
        ["predict", "run/{checkpoint}", "people.csv"],
        "run/checkpoint checkpoint model resume=True",
    ),
    "an example as model": Command(
        {}, ["predict", "example:iris", "people.csv"], "example:iris trace file"
    ),
    "an example as model to judge": Command(
        {}, ["evaluate", "example:iris", "people.csv"], "example:iris trace file"
    ),
    "an example as model to check": Command(
        {}, ["check", "example:xor", "people.csv"], "example:xor rows of its own 'people.csv' out"
    ),
    "model and table changed about": Command(
        {}, ["predict", "people.csv", "m.backpass"], "people.csv model"
    ),
}

# --- predict and evaluate ----------------------------------------------------------------------

PREDICTING = {
    "no model and no table": asking(["predict"], "", "MODEL"),
    "no table": asking(["predict", "m.backpass"], "", "TABLE"),
    "missing column": table(GOOD, PREDICT, "t.csv no column 'height' 'code' training"),
    "columns of another case": table(
        ROW.replace(b"age", b"Age"), PREDICT, "t.csv no column 'age' mean 'Age'"
    ),
    "text for a number": table(
        ROW + b"31,Oslo,tall,1,no\n", PREDICT, "t.csv 'height' line 3 'tall' not a number"
    ),
    "a decimal comma for a number": table(
        ROW + b'31,Oslo,"1,7",1,no\n', PREDICT, "t.csv 'height' line 3 '1,7' not a number"
    ),
    "infinite at predict": table(FULL + b"inf,Bonn,170,1,no\n", PREDICT, "'age' line 2 infinite"),
    "lists at predict": table(
        parquet(age=[1], city=["Bonn"], height=[[1, 2]], code=[1]),
        PREDICT,
        "'height' lists training",
    ),
    "dates at predict": table(
        FULL + b"30,Bonn,2020-01-01,1,no\n",
        PREDICT,
        "t.csv 'height' line 2 '2020-01-01' not a number like 1234.5",
    ),
    "header at predict": table(FULL, PREDICT, "t.csv no rows"),
    "ragged at predict": table(ROW + b"1,2\n", PREDICT, "t.csv line 3 2 fields 5"),
    "same names at predict": table(
        b"age,age,city,height,code\n1,1,Bonn,1,1\n", PREDICT, "t.csv 'age' twice"
    ),
    "nothing on standard input": Command({}, [*PREDICT[:2], "-"], "standard input empty", b""),
    "text on standard input": Command(
        {}, [*PREDICT[:2], "-"], "standard input 'age' line 2 'x'", FULL + b"x,Bonn,1,1,no\n"
    ),
    "probabilities of a quantity": Command(
        {}, ["predict", "q.backpass", "people.csv", "--proba", "-o", "p.csv"], "'income' quantity"
    ),
    "output suffix": table(ROW, [*PREDICT, "-o", "p.xlsx"], "p.xlsx .csv .parquet"),
    "output without suffix": table(ROW, [*PREDICT, "-o", "p"], "p .csv .parquet"),
    "output of no name": table(ROW, [*PREDICT, "-o", ""], "--output name of a file"),
    "output is the table": table(ROW, [*PREDICT, "-o", "t.csv"], "--output t.csv input"),
    "output is the model": Command(
        {"t.csv": ROW, "m.csv": "m.backpass"},
        ["predict", "m.csv", "t.csv", "-o", "m.csv"],
        "m.csv input",
    ),
    "output folder": table(ROW, [*PREDICT, "-o", "no/p.csv"], "--output no/p.csv no folder"),
    "output is a folder": table(ROW, [*PREDICT, "-o", "folder.csv"], "--output folder.csv folder"),
    "output where nothing may be written": table(
        ROW, [*PREDICT, "-o", "locked/p.csv"], "--output locked/p.csv write"
    ),
    "wrong rows with an output": table(ROW + b"x,Bonn,1,1,no\n", [*PREDICT, "-o", "p.csv"], "'x'"),
    "unknown class": table(
        FULL + b"30,Bonn,170,1,maybe\n", EVALUATE, "t.csv 'old' 'maybe' known: no, yes"
    ),
    "no target to judge": table(b"age,city,height,code\n3,Bonn,1,1\n", EVALUATE, "t.csv 'old'"),
    "nothing to judge": table(FULL + b"30,Bonn,170,1,\n", EVALUATE, "t.csv 'old' no values"),
    "text for a quantity": table(
        b"age,city,income,w\n30,Bonn,much,1\n",
        ["evaluate", "q.backpass", "t.csv"],
        "t.csv 'income' line 2 'much' not a number",
    ),
    "negative weight to judge": table(
        b"age,city,income,w\n30,Bonn,3,1\n30,Bonn,3,-1\n",
        ["evaluate", "q.backpass", "t.csv"],
        "t.csv 'w' line 3 -1 at least 0",
    ),
    "no weight to judge": table(
        b"age,city,income,w\n30,Bonn,3,0\n",
        ["evaluate", "q.backpass", "t.csv"],
        "t.csv 'w' all weights are 0",
    ),
    "json suffix to judge": table(ROW, [*EVALUATE, "--json", "r.txt"], "--json r.txt .json"),
    "json over a folder": table(ROW, [*EVALUATE, "--json", "folder.json"], "folder.json folder"),
    "probabilities to judge": table(ROW, [*EVALUATE, "--proba"], "--proba"),
    "a third argument": table(ROW, [*EVALUATE, "people.csv"], "people.csv"),
}

# --- trace and check ---------------------------------------------------------------------------

TRACING = {
    "trace: nothing": asking(["trace"], "", "MODEL"),
    "trace: no table": asking(["trace", "m.backpass"], "", "TABLE example:xor"),
    "trace: unknown example": asking(["trace", "example:poem"], "", "'poem' known: xor"),
    "trace: example and table": asking(["trace", "example:xor"], "people.csv", "people.csv' out"),
    "trace: row of an example": asking(["trace", "example:xor"], "--row 5", "--row 5 1 … 4"),
    "trace: row 0": asking(TRACE, "--row 0", "--row 0 1 … 60"),
    "trace: row beyond": asking(TRACE, "--row 61", "--row 61 1 … 60"),
    "trace: backwards": asking(TRACE, "--row 5-2", "--row 5-2 smaller row first"),
    "trace: row of letters": asking(TRACE, "--row first", "--row 'first' --row 7"),
    "trace: row of nothing": asking(TRACE, "--row ", "--row"),
    "trace: half a range": asking(TRACE, "--row 3-", "--row '3-' 2-5"),
    "trace: negative row": asking(TRACE, "--row -1", "--row '-1'"),
    "trace: row of other digits": asking(TRACE, "--row \u00b2", "--row"),
    "trace: row without target": Command(
        {"t.csv": ROW + b"31,Oslo,170,1,\n"},
        ["trace", "m.backpass", "t.csv", "--row", "2"],
        "t.csv row 2 no target 'old'",
    ),
    "trace: unknown class": Command(
        {"t.csv": FULL + b"31,Oslo,170,1,maybe\n"},
        ["trace", "m.backpass", "t.csv"],
        "t.csv 'old' 'maybe' known",
    ),
    "trace: text for a number": Command(
        {"t.csv": ROW + b"31,Oslo,tall,1,no\n"},
        ["trace", "m.backpass", "t.csv", "--row", "2"],
        "t.csv 'height' line 3 'tall'",
    ),
    "trace: notation": asking(TRACE, "--notation greek", "'greek' code"),
    "trace: notation of a sixth note": asking(TRACE, "--notation 6", "'6'"),
    "trace: form": asking(TRACE, "--form prose", "'prose' batch"),
    "trace: chain of a wide network": asking(TRACE, "--form chain", "thin network"),
    "trace: layer 0": asking(TRACE, "--layer 0", "layer 1 … 2"),
    "trace: layer beyond": asking(TRACE, "--layer 3", "layer 1 … 2"),
    "trace: layer of letters": asking(TRACE, "--layer one", "--layer 'one' integer"),
    "trace: format": asking(TRACE, "--format pdf", "--format 'pdf' text, html"),
    "trace: suffix": asking(TRACE, "-o o.pdf", "o.pdf --format suffix"),
    "trace: over the table": asking(TRACE, "--format text -o people.csv", "people.csv input"),
    "trace: into no folder": asking(TRACE, "-o no/o.html", "no/o.html no folder"),
    "trace: over a folder": asking(TRACE, "-o folder.json", "folder.json folder"),
    "trace: negative elements": asking(TRACE, "--max-elements -1", "--max-elements"),
    "trace: no digits": asking(TRACE, "--digits 0", "--digits 0"),
    "trace: more digits than there are": asking(TRACE, "--digits 18", "--digits 18"),
    "trace: optimiser": asking(TRACE, "--update newton", "'newton' sgd"),
    "trace: rate alone": asking(TRACE, "--learning-rate 1", "--learning-rate --update"),
    "trace: rate 0": asking(TRACE, "--update sgd --learning-rate 0", "learning_rate above 0"),
    "trace: rate is NaN": asking(TRACE, "--update sgd --learning-rate nan", "learning_rate nan"),
    "trace: endless rate": asking(TRACE, "--update sgd --learning-rate inf", "learning_rate inf"),
}

CHECKING = {
    "check: no rows": asking(CHECK, "--rows 0", "--rows 0"),
    "check: more rows than there are": asking(CHECK, "--rows 61", "people.csv --rows 61 60 rows"),
    "check: rows are a word": asking(CHECK, "--rows few", "--rows 'few'"),
    "check: no entries": asking(CHECK, "--entries 0", "--entries '0' 'all'"),
    "check: entries are a word": asking(CHECK, "--entries some", "--entries 'some' 'all'"),
    "check: json over a folder": asking(CHECK, "--json folder.json", "folder.json folder"),
    "check: json suffix": asking(CHECK, "--json c.txt", "--json c.txt .json"),
    "check: json over the table": asking(CHECK, "--json people.csv", "--json people.csv input"),
    "check: a table without targets": Command(
        {"t.csv": FULL + b"30,Bonn,170,1,\n"}, ["check", "m.backpass", "t.csv"], "'old' no values"
    ),
}

# --- a network of one's own ---------------------------------------------------------------------

NET = {
    "no rows": ([], {}, "n.backpass no rows --x --y 2 inputs, then a target"),
    "no targets": (["--x", "1,0"], {}, "--y missing a target"),
    "targets alone": (["--y", "1"], {}, "--y goes with --x"),
    "a model's network": (["--x", "1,0", "--y", "1", "--network", "1"], {}, "one network out"),
    "rows twice": (["people.csv", "--x", "1,0", "--y", "1"], {}, "--x TABLE 'people.csv' not both"),
    "an input too few": (["--x", "1", "--y", "1"], {}, "--x has 1 takes 2"),
    "a target too many": (["--x", "1,0", "--y", "1,2"], {}, "--y has 2 takes a target"),
    "a row too few": (["--x", "1,0;0,1", "--y", "1"], {}, "--x has 2 --y 1 put ; between"),
    "rows unlike": (["--x", "1,0;1", "--y", "1;0"], {}, "--x row 2 has 1 first 2"),
    "letters": (["--x", "1,a", "--y", "1"], {}, "--x '1,a' numbers with commas"),
    "nothing": (["--x", "", "--y", "1"], {}, "--x '' numbers with commas"),
    "not a number": (["--x", "1,nan", "--y", "1"], {}, "--x '1,nan' finite"),
    "endless target": (["--x", "1,0", "--y", "inf"], {}, "--y 'inf' finite"),
    "inputs alone": (["t.csv"], b"a,b\n1,2\n", "t.csv the inputs alone 2 inputs, then a target"),
    "a column too many": (["t.csv"], b"a,b,c,d\n1,2,3,4\n", "t.csv 4 column(s) 2 inputs, then"),
    "a table with text": (
        ["t.csv"],
        b"a,b,c\n1,x,3\n2,y,1\n",
        "t.csv line 2 'b' 'x' plain numbers fit",
    ),
    "a cell missing": (["t.csv"], b"a,b,c\n1,2,3\n4,,6\n", "t.csv line 3 'b' missing"),
    "a cell infinite": (["t.csv"], b"a,b,c\n1,2,3\n4,inf,6\n", "t.csv line 3 'b' infinite"),
    "no names": (["t.csv"], b"1,2.5,3\n4,5,6\n", "t.csv first line is numbers names above"),
    "no names, one twice": (["t.csv"], b"1,2,1\n4,5,6\n", "t.csv '1' twice names above"),
    "an empty table": (["t.csv"], b"", "t.csv empty"),
    "no such table": (["t.csv"], {}, "t.csv no such file"),
}

NET_CASES = {
    f"{command[0]}: {name}": Command(
        {"a.csv": b"1,2\n"} | ({"t.csv": data} if data != {} else {}),
        [command[0], "n.backpass", *line, *command[1:]],
        words,
    )
    for name, (line, data, words) in NET.items()
    for command in (["trace"], ["check"], ["homework", "--answer", "a.csv"])
}

CLASSES, TWO = ["trace", "example:classes", "--x", "1,0"], ["trace", "example:small", "--x", "1,0"]

TARGETS = {
    "a class that there is not": asking(CLASSES, "--y 5", "--y row 1 5 labels 0 … 1"),
    "half a class": asking(CLASSES, "--y 0.5", "--y row 1 0.5 integers 0 … 1"),
    "no probabilities": asking(CLASSES, "--y 0.9,0.9", "--y row 1 0.9, 0.9 sum 1"),
    "three targets": asking(CLASSES, "--y 1,0,0", "--y has 3 a class, 0 … 1, or 2 targets"),
    "a class for numbers": asking(TWO, "--y 1", "--y has 1 takes 2 targets"),
    "no label": asking(
        ["trace", "example:xor"], "--x 1,0;0,1 --y 1;2", "--y row 2 2 between 0 and 1"
    ),
    "--x for a table's model": asking(
        ["trace", "m.backpass"], "--x 1,0 --y 1", "--x m.backpass columns TABLE"
    ),
    "homework: example and table": Command(
        {"a.csv": b"1\n"},
        ["homework", "example:small", "people.csv", "--answer", "a.csv"],
        "example:small rows of its own 'people.csv' out",
    ),
}

# --- homework ----------------------------------------------------------------------------------


def answer(name: str, data: bytes, words: str, *options: str) -> Command:
    """Return a case with an answer of its own."""
    return Command({name: data}, [*HOMEWORK, "--answer", name, *options], words)


W = ("--what", "W", "--layer", "1")

ANSWERS = {
    "homework: no answer": asking(HOMEWORK, "", "--answer"),
    "homework: missing answer": asking(HOMEWORK, "--answer a.npy", "a.npy no such file"),
    "homework: answer of no name": asking(HOMEWORK, "--answer ", ".npy .json"),
    "homework: a folder": asking(HOMEWORK, "--answer folder.json", "folder.json no file"),
    "homework: suffix": answer("a.txt", b"1,2", "a.txt .npy .npz .csv .json"),
    "homework: empty npy": answer("a.npy", b"", "a.npy the file is empty"),
    "homework: cut npy": answer("a.npy", npy(np.ones((4, 4)))[:-8], "a.npy damaged (4, 4)"),
    "homework: npy of objects": answer(
        "a.npy", npy(np.array([{}, None]), allow_pickle=True), "a.npy Python objects numbers"
    ),
    "homework: npy of texts": answer("a.npy", npy(np.array(["a", "b"])), "answer real numbers"),
    "homework: npy of complex numbers": answer("a.npy", npy(np.array([1j, 2])), "real numbers"),
    "homework: empty npz": answer("a.npz", b"", "a.npz the file is empty"),
    "homework: npz of nothing": answer("a.npz", npz(), "empty"),
    "homework: npz with a strange name": answer("a.npz", npz(V1=np.ones(3)), "'V1' W1, b1"),
    "homework: npz with a layer too many": answer("a.npz", npz(W9=np.ones(3)), "W9 no layer 9"),
    "homework: empty csv": answer("a.csv", b"", "a.csv the file is empty"),
    "homework: ragged csv": answer("a.csv", b"1,2\n3\n", "a.csv line 2 1 first has 2"),
    "homework: letters": answer("a.csv", b"1,2\n3,x\n", "a.csv line 2 'x' not a number"),
    "homework: decimal commas": answer("a.csv", b"0,5;1\n", "a.csv line 1 '0,5' 0.5"),
    "homework: latin-1": answer("a.csv", b"1,\xf6\n", "a.csv UTF-8"),
    "homework: broken json": answer("a.json", b'{"W1": [1, 2', "a.json"),
    "homework: json of texts": answer("a.json", b'{"W1": ["x"]}', "a.json W1 numbers"),
    "homework: ragged json": answer("a.json", b"[[1, 2], [3]]", "a.json different lengths"),
    "homework: a name twice": answer("a.json", b'{"W1": [1], "W1": [2]}', "a.json W1 twice"),
    "homework: NaN in json": answer("a.json", b"[NaN]", "a.json NaN"),
    "homework: json of nothing": answer("a.json", json.dumps({}).encode(), "empty"),
    "homework: NaN": answer("a.csv", b"nan,1\n", "[0, 0] nan not a finite number", *W),
    "homework: infinity": answer("a.csv", b"1,inf\n", "[0, 1] inf not a finite number", *W),
    "homework: what": answer("a.csv", b"1,2\n", "'V' W, b", "--what", "V"),
    "homework: layer": answer("a.csv", b"1,2\n", "no layer 7", "--what", "W", "--layer", "7"),
    "homework: layout": answer("a.csv", b"1,2\n", "'rows' code", *W, "--layout", "rows"),
    "homework: negative L2": answer("a.csv", b"1,2\n", "--alpha", *W, "--alpha", "-1"),
    "homework: L2 is NaN": answer("a.csv", b"1,2\n", "alpha nan", *W, "--alpha", "nan"),
    "homework: endless L2": answer("a.csv", b"1,2\n", "alpha inf", *W, "--alpha", "inf"),
    "homework: rows and row": answer(
        "a.csv", b"1,2\n", "--rows --row not both", "--rows", "1", "--row", "1"
    ),
    "homework: row 0": answer("a.csv", b"1,2\n", "--row 0 people.csv 1 … 60", "--row", "0"),
    "homework: no rows": answer("a.csv", b"1,2\n", "--rows 0 people.csv 60", "--rows", "0"),
    "homework: rows beyond": answer("a.csv", b"1,2\n", "--rows 61 people.csv", "--rows", "61"),
    "homework: json over the answer": answer(
        "a.json", b"[1]", "--json a.json input", "--json", "a.json"
    ),
}

# --- export ------------------------------------------------------------------------------------

EXPORTING = {
    "export: no name": asking(["export", "m.backpass"], "", "--onnx"),
    "export: no value": asking(EXPORT, "", "--onnx"),
    "export: empty name": Command({}, [*EXPORT, ""], "--onnx name of a file"),
    "export: suffix": asking(EXPORT, "m.pt", "--onnx m.pt .onnx"),
    "export: folder missing": asking(EXPORT, "no/m.onnx", "--onnx no/m.onnx no folder"),
    "export: over a folder": asking(EXPORT, "folder.onnx", "--onnx folder.onnx folder"),
    "export: where nothing may be written": asking(EXPORT, "locked/m.onnx", "locked/m.onnx write"),
    "export: over its input": Command(
        {"m.onnx": "m.backpass"}, ["export", "m.onnx", "--onnx", "m.onnx"], "m.onnx input"
    ),
    "export: a table, too": asking(EXPORT, "m.onnx people.csv", "people.csv"),
}

COMMANDS = {
    **TABLES,
    **FITS, **MODEL_CASES, **PREDICTING, **TRACING, **CHECKING, **ANSWERS, **EXPORTING,
    **NET_CASES, **TARGETS,
}  # fmt: skip
