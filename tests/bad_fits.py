"""Wrong options and places of ``backpass fit``; see `bad_tables`."""

from bad_tables import FIT, GOOD, Command, table

__all__ = ["FITS"]

# --- options -----------------------------------------------------------------------------------


def option(text: str, words: str) -> Command:
    """Return a fit of a good table with one wrong option."""
    return table(GOOD, [*FIT, *text.split(" ")], words)


OPTIONS = {
    "unknown command": table(None, ["fitt"], "fitt"),
    "unknown option without a command": table(None, ["--fit"], "--fit"),
    "unknown option": option("--epoch 3", "--epoch"),
    "unknown short option": option("-x 3", "-x"),
    "no table": table(None, ["fit"], "TABLE"),
    "two tables": option("people.csv", "people.csv"),
    "option without its value": table(GOOD, ["fit", "t.csv", "--target"], "--target"),
    "bad task": option("--task cluster", "--task cluster classification regression"),
    "bad hidden": option("--hidden a,b", "--hidden 'a,b' 256"),
    "hidden with a gap": option("--hidden 8,,8", "--hidden '8,,8'"),
    "hidden with semicolons": option("--hidden 8;8", "--hidden '8;8'"),
    "negative hidden": option("--hidden -8", "--hidden '-8'"),
    "half a unit": option("--hidden 8.5", "--hidden '8.5'"),
    "zero hidden": option("--hidden 8,0", "--hidden '8,0' 1 to"),
    "empty hidden": option("--hidden ", "--hidden ''"),
    "digits of another script": option("--hidden \u0668", "--hidden"),
    "huge hidden": option("--hidden " + "9" * 30, "--hidden 16384"),
    "many hidden": option("--hidden " + ",".join("8" * 65), "--hidden 64 layers"),
    "unknown loss": option("--loss hubert", "--loss 'hubert' mean 'huber'"),
    "loss with a wrong number": option("--loss huber:delta=-1", "--loss delta positive -1"),
    "loss of a quantity": option(
        "--loss huber", "'huber' 'old' classes squared_error, cross_entropy"
    ),
    "loss of signs": option("--loss hinge", "'hinge' 'old' classes squared_error, cross_entropy"),
    "loss of a pack": option("--loss squared_error --effort quick", "--loss single log-loss out"),
    "bad epochs": option("--epochs x", "--epochs 'x' integer"),
    "no epochs": option("--epochs 0", "--epochs 0"),
    "half an epoch": option("--epochs 1.5", "--epochs '1.5' integer"),
    "endless epochs": option("--epochs 9999999", "--epochs 9999999"),
    "negative seed": option("--seed -1", "--seed -1"),
    "seed beyond 32 bits": option("--seed 4294967296", "--seed 4294967296"),
    "seed of letters": option("--seed=lucky", "--seed 'lucky'"),
    "fraction too large": option("--test-fraction 1", "--test-fraction 0 and 1"),
    "no fraction": option("--test-fraction 0", "--test-fraction 0 and 1"),
    "negative fraction": option("--test-fraction -0.2", "--test-fraction -0.2 0 and 1"),
    "fraction in per cent": option("--test-fraction 20", "--test-fraction 20 0 and 1"),
    "fraction with a comma": option("--test-fraction 0,2", "--test-fraction '0,2'"),
    "fraction is NaN": option("--test-fraction nan", "--test-fraction 0 and 1"),
    "fraction leaves nothing": option("--test-fraction 0.001", "t.csv 30 row too few"),
    "no time": option("--time-limit 0", "--time-limit above 0"),
    "negative time": option("--time-limit -3", "--time-limit -3 above 0"),
    "endless time": option("--time-limit inf", "--time-limit above 0"),
    "time is NaN": option("--time-limit nan", "--time-limit above 0"),
    "resume without a folder": option("--resume", "resume --checkpoint FOLDER"),
    "interval without a folder": option("--checkpoint-every 3", "checkpoint_every --checkpoint"),
    "checkpoint of no name": option("--checkpoint ", "checkpoint name of a folder empty"),
    "negative interval": option("--checkpoint c --checkpoint-every -1", "checkpoint_every -1"),
    "interval is NaN": option("--checkpoint c --checkpoint-every nan", "checkpoint_every nan"),
    "endless interval": option("--checkpoint c --checkpoint-every inf", "checkpoint_every inf"),
    "test and fraction": option("--test t.csv --test-fraction 0.5", "not both"),
    "missing test": option("--test x.csv", "x.csv no such file"),
    "test with other columns": Command(
        {"t.csv": GOOD, "other.csv": b"a,old\n1,yes\n"},
        [*FIT, "--test", "other.csv"],
        "other.csv no column 'age' 'city'",
    ),
    "test without targets": Command(
        {"t.csv": GOOD, "other.csv": b"age,city,old\n1,Bonn,\n"},
        [*FIT, "--test", "other.csv"],
        "other.csv 'old' no values",
    ),
    "test with another class": Command(
        {"t.csv": GOOD, "other.csv": b"age,city,old\n1,Bonn,maybe\n"},
        [*FIT, "--test", "other.csv"],
        "other.csv 'old' 'maybe' no, yes",
    ),
    "test with text for numbers": Command(
        {"t.csv": GOOD, "other.csv": b"age,city,old\n1,Bonn,no\ntwo,Bonn,no\n"},
        [*FIT, "--test", "other.csv"],
        "other.csv 'age' line 3 'two' not a number",
    ),
    "test is the table": option("--test t.csv", "--test t.csv table to train on leave out"),
    "test is the table by another way": option("--test ./t.csv", "--test ./t.csv train on"),
    "two standard inputs": table(
        None, ["fit", "-", "-t", "y", "--test", "-"], "standard input one table --test"
    ),
}

# --- where its files go ------------------------------------------------------------------------

PLACES = {
    "no such folder": option("--model no/m.bp", "--model no/m.bp no folder make it"),
    "a file as its folder": option("--model notes/m.bp", "--model notes/m.bp"),
    "model of no name": option("--model ", "--model name of a file"),
    "model is a folder": option("--model .", "--model . folder"),
    "model is the table": option("--model t.csv", "--model t.csv input"),
    "model is the table by another way": option("--model ../{folder}/t.csv", "--model input"),
    "model is the test table": option("--test people.csv --model people.csv", "--model input"),
    "model called a table": option("--model m.csv", "--model m.csv .csv .backpass"),
    "model called a page": option("--model m.html", "--model m.html .backpass"),
    "model is another file": option("--model notes", "notes no backpass model left --model"),
    "model is a network": option("--model n.backpass", "n.backpass no backpass model left --model"),
    "model is a checkpoint": option("--model run/{checkpoint}", "no backpass model left --model"),
    "model is a damaged model": Command(
        {"t.csv": GOOD, "t.backpass": b"\x10\0\0\0\0\0\0\0{"}, FIT, "t.backpass no backpass model"
    ),
    "report suffix": option("--report r.pdf", "--report r.pdf .html"),
    "report of no name": option("--report ", "--report name of a file"),
    "json suffix": option("--json r.html", "--json r.html .json"),
    "json folder": option("--json no/r.json", "--json no/r.json no folder"),
    "json is the model": option("--model m.x.json --json m.x.json", "--model m.x.json"),
    "report and model in one": option("--model r.html --report r.html", "--model r.html"),
    "json and json in one": option("--json a.json --report ./a.json", "--report a.json"),
    "model name too long": option("--model " + "x" * 300, "--model name too long"),
    "model name with NUL": option("--model a\0b", "--model a\\x00b"),
    "a device for json": option("--json /dev/null", "--json .json"),
    "a device for the model": option("--model /dev/null", "--model /dev/null device"),
    "a loop of links": option("--model loop", "--model loop"),
    "a write-protected folder": option("--model locked/m.bp", "--model locked/m.bp write"),
    "a write-protected model": option("--model locked.backpass", "locked.backpass write-protected"),
    "checkpoints in a file": option("--checkpoint notes", "notes checkpoints file folder"),
    "checkpoints below a file": option("--checkpoint notes/run", "notes/run checkpoints file"),
    "checkpoints where nothing may be written": option("--checkpoint locked/run", "locked/run"),
    "checkpoints in the model": option(
        "--checkpoint m.backpass --model m.backpass", "--checkpoint m.backpass --model"
    ),
    "checkpoints with NUL": option("--checkpoint a\0b", "a\\x00b null"),
    "an activation": option("--activation Relu", "--activation unknown activation 'Relu' 'relu'"),
    "an output's activation": option("--activation softmax", "'softmax' output hidden layers"),
    "checkpoints of another run": option(
        "--checkpoint run", "run checkpoints --resume another folder"
    ),
    "checkpoints of other settings": Command(
        {"t.csv": GOOD},
        ["fit", "t.csv", "-t", "old", "--epochs", "3", "--hidden", "4",
         "--checkpoint", "run", "--resume"],
        "run/checkpoint another training run epochs",
        begun=True,
    ),
    "checkpoints of another seed": Command(
        {"t.csv": GOOD},
        [*FIT, "--checkpoint", "run", "--resume", "--seed", "5"],
        "run/checkpoint another training run seed 0 there 5 here",
        begun=True,
    ),
    "checkpoints of another table": Command(
        {"t.csv": GOOD},
        [*FIT, "--checkpoint", "run", "--resume", "--drop", "age"],
        "run/checkpoint another training run X layers",
        begun=True,
    ),
    "damaged checkpoints": Command(
        {"t.csv": GOOD, "c/checkpoint-000000000001.backpass": b"nope"},
        [*FIT, "--checkpoint", "c", "--resume"],
        "c/checkpoint-000000000001.backpass no checkpoint can be read another folder",
    ),
    "a model called a checkpoint": Command(
        {"t.csv": GOOD, "c/checkpoint-000000000001.backpass": "m.backpass"},
        [*FIT, "--checkpoint", "c", "--resume"],
        "c/checkpoint-000000000001.backpass model",
    ),
}  # fmt: skip

FITS = {**OPTIONS, **PLACES}
