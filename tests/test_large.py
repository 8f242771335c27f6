"""Tables larger than memory: read in pieces, encoded to files, trained from there."""

import gzip
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backpass.errors import InputError, TableError
from backpass.network.network import Network
from backpass.tabular.encoding import TableEncoding
from backpass.tabular.files import read_table
from backpass.tabular.large import learning, source
from backpass.tabular.large.cache import Cache, remove
from backpass.tabular.large.cached_table import Pace, cached
from backpass.tabular.large.learning import PARTS, keys_of, part_of, survey
from backpass.tabular.large.source import Source
from backpass.tabular.model import TabularModel
from backpass.tabular.question import Question
from backpass.tabular.recipe import Recipe
from backpass.training.batches import BlockOrder
from backpass.training.side_by_side import Halt
from backpass.training.trainer import train

PLAIN = Question("y", recipe=Recipe(hidden_layer_sizes=(8,), epochs=2))


def some_rows(n=3000, seed=0):
    """Return a table of numbers, levels and gaps, whose target they tell."""
    rng = np.random.default_rng(seed)
    size, city = rng.normal(size=n), rng.choice(["Bonn", "Köln", "Oslo, N"], n)
    y = np.where(size + (city == "Bonn") + rng.normal(size=n) / 3 > 0.5, "yes", "no")
    frame = pl.DataFrame({"size": size, "age": rng.integers(0, 90, n), "city": city, "y": y})
    return frame.with_columns(pl.when(pl.col("age") > 3).then("age").alias("age"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder whose `data` holds a table in four files, as Parquet and as text."""
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    for i, part in enumerate(some_rows().iter_slices(750)):
        part.write_parquet(f"data/{i}.parquet")
        part.write_csv(f"data/{i}.csv")
    return tmp_path


def cache_of(table, question=PLAIN, folder="cache"):
    Path(folder).mkdir(exist_ok=True)
    return Cache.of(Path(folder), Source.of(table), question, lambda *told: None)


def everything(cache):
    rows = cache.encoded(slice(None))
    return np.array(rows.X), np.array(rows.y)


# --- reading -------------------------------------------------------------------------------------


def test_every_way_to_name_a_table_gives_its_rows(folder, monkeypatch):
    monkeypatch.setattr(source, "BLOCK", 1000)  # so that a file has many pieces
    Path("packed").mkdir()
    Path("packed/all.csv.gz").write_bytes(gzip.compress(some_rows().write_csv().encode()))
    for year, part in (("2023", some_rows()[:1000]), ("2024", some_rows()[1000:])):
        Path(f"years/year={year}").mkdir(parents=True)
        part.write_parquet(f"years/year={year}/a.parquet")
    for name in ("data/*.parquet", "data/*.csv", "packed", "years/**/*.parquet"):
        told = read_table(name)
        assert told[some_rows().columns].equals(some_rows()), name
    assert read_table("years")["year"].value_counts(sort=True).rows() == [
        (2024, 2000),
        (2023, 1000),
    ]


QUOTED = st.text(st.sampled_from('a,"\n;é'), max_size=6)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(QUOTED, st.integers(0, 9)), min_size=1, max_size=30))
def test_text_in_pieces_is_read_as_text_at_once(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("text") / "t.csv"
    frame = pl.DataFrame(rows, {"text": pl.String, "n": pl.Int64}, orient="row")
    frame.write_csv(path, quote_style="always")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "BLOCK", 7)
        pieces = pl.concat([piece.frame for piece in Source.of(path).pieces()])
    assert pieces.rows() == [(text, str(n)) for text, n in rows]


def a_short_row(lines):
    lines[400] = "1,2"
    return r"2\.csv, line 401: 2 fields where the header has 4"


def text_among_numbers(lines):
    lines[500] = "big,3,Bonn,no"
    return r"2\.csv: column 'size', line 501: 'big' is not a number"


def another_column(lines):
    lines[0] = "size,age,town,y"
    return r"2\.csv: column 'city': no such column, where data/0\.csv has String"


def another_encoding(lines):
    lines[600] = "1,2,K\udcf6ln,no"
    return r"2\.csv: no Parquet, no Arrow and no text in UTF-8"


@pytest.mark.parametrize(
    "spoil", [a_short_row, text_among_numbers, another_column, another_encoding]
)
def test_what_is_wrong_in_a_later_file_is_told_by_its_place(folder, monkeypatch, spoil):
    monkeypatch.setattr(source, "BLOCK", 5000)
    monkeypatch.setattr(learning, "SAMPLE_ROWS", 200)  # so that the sample may not hold it
    lines = Path("data/2.csv").read_text().split("\n")
    told = spoil(lines)
    Path("data/2.csv").write_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))
    with pytest.raises(TableError, match=told):
        cache_of("data/*.csv")


def test_text_in_a_later_parquet_file_is_told(folder):
    pl.read_parquet("data/3.parquet").cast({"size": pl.String}).write_parquet("data/3.parquet")
    with pytest.raises(TableError, match=r"3.parquet: column 'size': String, where data/0.parquet"):
        cache_of("data/*.parquet")


@pytest.mark.parametrize("change", [Path.unlink, lambda path: path.write_text("size,age,city,y\n")])
def test_a_file_that_vanishes_or_changes_is_told(folder, change):
    pieces = Source.of("data/*.csv").pieces()
    next(pieces)
    change(Path("data/2.csv"))
    with pytest.raises(TableError, match=r"data/2.csv: changed or removed while the table was"):
        list(pieces)


# --- learning ------------------------------------------------------------------------------------


def test_a_table_that_is_its_own_sample_is_encoded_as_in_memory(folder):
    found = survey(Source.of("data/*.csv"), PLAIN)
    frame = some_rows()
    training = part_of(keys_of(0, frame.height, PLAIN.seed)) >= found.test_parts
    usual = TableEncoding().fit(frame.filter(training).drop("y"))
    assert found.learnt.encoder.to_state()["columns"] == usual.to_state()["columns"]
    assert found.bound == 0


def test_what_a_sample_leaves_out_is_counted(folder, monkeypatch):
    monkeypatch.setattr(learning, "SAMPLE_ROWS", 300)
    monkeypatch.setattr(source, "PIECE", 800)
    frame = some_rows(30_000).with_columns(flag=pl.lit(0.0), y=pl.lit("no"))
    keys = keys_of(0, frame.height, 0)
    last = np.argsort(keys)[7000:7010]  # not in the sample, and not to test on
    frame = frame.with_row_index().with_columns(
        flag=pl.when(pl.col("index").is_in(last)).then(5.0).otherwise(0.0),
        y=pl.when(pl.col("index").is_in(last))
        .then(pl.lit("rare"))
        .otherwise(some_rows(30_000)["y"]),
    )
    frame.drop("index").write_parquet("many.parquet")
    found = survey(Source.of("many.parquet"), PLAIN)
    columns = {column.name: column for column in found.learnt.encoder.describe()}
    training = frame.filter(part_of(keys) >= found.test_parts)
    assert found.classes == dict(frame["y"].value_counts().rows())
    assert columns["age"].missing == training["age"].null_count()
    assert (columns["flag"].kind, found.learnt.encoder.columns_[3].scale) == ("number", 2.5)
    (size,) = (c for c in found.learnt.encoder.columns_ if c.name == "size")
    assert abs((training["size"] < size.center).mean() - 0.5) < found.bound


@settings(max_examples=30, deadline=None)
@given(first=st.integers(0, 2**40), seed=st.integers(0, 2**32 - 1))
def test_keys_depend_on_the_number_of_a_row_alone(first, seed):
    assert (keys_of(first, 20, seed)[7:] == keys_of(first + 7, 13, seed)).all()
    parts = np.bincount(part_of(keys_of(first, 4096, seed)) * 4 // PARTS, minlength=4)
    assert (abs(parts - 1024) < 6 * np.sqrt(1024 * 0.75)).all()


# --- the cache -----------------------------------------------------------------------------------


def test_the_cache_holds_every_row_once_and_scattered(folder):
    cache = cache_of("data/*.parquet")
    X, y = everything(cache)
    usual = cache.survey.learnt.encoder.encode(some_rows())
    order, place = np.lexsort(X.T), np.lexsort(usual.T)
    assert (X[order] == usual[place]).all()
    assert abs(np.corrcoef(np.arange(len(X))[order], np.arange(len(X))[place])[0, 1]) < 0.1
    assert 0.15 < cache.survey.n_test / cache.rows < 0.25
    assert sorted(np.unique(y)) == [0, 1]


def test_one_that_was_cut_short_goes_on_with_the_same_bytes(folder, monkeypatch):
    monkeypatch.setattr("backpass.tabular.large.cache.EVERY", 0)
    whole = everything(cache_of("data/*.parquet", folder="whole"))
    encode, seen = TableEncoding.encode, []

    def fail(self, frame, **options):
        seen.append(1)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return encode(self, frame, **options)

    monkeypatch.setattr(TableEncoding, "encode", fail)
    with pytest.raises(KeyboardInterrupt):
        cache_of("data/*.parquet")
    again = everything(cache_of("data/*.parquet"))
    assert len(seen) == 5  # two of four pieces were done
    assert all((a == b).all() for a, b in zip(whole, again, strict=True))


def flipped(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda: flipped(Path("cache/X")), "cache: the cache is damaged"),
        (lambda: flipped(Path("cache/manifest.json")), "cache: the cache is damaged"),
        (lambda: some_rows(800).write_parquet("data/1.parquet"), "another table .*data/1.parquet"),
    ],
)
def test_a_cache_of_something_else_is_refused_in_a_line(folder, spoil, told):
    cache_of("data/*.parquet")
    spoil()
    with pytest.raises(InputError, match=told):
        cache_of("data/*.parquet")


def test_a_folder_of_something_else_is_refused_and_stays(folder):
    with (
        pytest.raises(InputError, match="data: holds other files and no cache"),
        cached(Source.of("data/*.csv"), PLAIN, Path("data"), keep=False),
    ):
        pass
    assert len(list(Path("data").iterdir())) == 8


def test_another_machine_finds_the_cache_or_makes_the_same(folder):
    with cached(Source.of("data/*.csv"), PLAIN, Path("cache"), keep=True) as (table, _):
        sent, whole = pickle.dumps(table), everything(table.cache)
    there = pickle.loads(sent)
    assert len(sent) < 8 * PARTS + 10_000  # no rows
    Path("cache").rename("elsewhere")
    for other in (there, pickle.loads(sent)):  # which sees the files of the table only
        assert all(map(np.array_equal, everything(other.cache), whole))
        assert other.identity == table.identity
        assert len(other.rows.y) == len(table.rows.y)
    remove(Path("cache"))
    Path("data/2.csv").unlink()
    with pytest.raises(InputError, match=r"data/2.csv: gone on .* where the fit was started"):
        pickle.loads(sent)


# --- order and training --------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(
    rows=st.sets(st.integers(0, 5000), min_size=1).map(lambda s: np.array(sorted(s))),
    block=st.integers(1, 50),
    key=st.integers(0, 2**62),
    cut=st.integers(0, 5000),
)
def test_blocks_give_every_row_once_however_they_are_asked(rows, block, key, cut):
    edges = np.arange(0, 5001 + block, block)
    order = BlockOrder(rows, edges, key, lambda window: None)
    whole = order[0 : len(rows)]
    assert sorted(whole) == rows.tolist()
    assert [*order[0:cut], *order[cut : len(rows)]] == whole.tolist()


def test_networks_on_other_rows_take_the_same_blocks():
    edges, parts = np.arange(0, 60_001, 10), (np.arange(40_000), np.arange(20_000, 60_000))
    orders = [BlockOrder(rows, edges, 7, lambda window: None) for rows in parts]
    firsts = [order[0 : order.ends[0]] for order in orders]
    both = [{*rows[(rows >= 20_000) & (rows < 40_000)].tolist()} for rows in firsts]
    assert both[0] == both[1] != set()


def test_blocks_are_the_same_bytes_in_memory_and_from_a_map(tmp_path):
    X = np.random.default_rng(0).normal(size=(4000, 300)).astype(np.float32)
    np.save(tmp_path / "X.npy", X)
    ends = []
    for rows in (X, np.load(tmp_path / "X.npy", mmap_mode="r")):
        for engine in ("native", "reference"):
            network = Network([300, 4, 1], seed=0, dtype="float32")
            train(network, rows, X[:, 0], seed=0, epochs=2, sampling="blocks", engine=engine)
            ends.append(network.parameters.flat)
    assert (ends[0] == ends[2]).all()
    assert (ends[1] == ends[3]).all()
    assert np.allclose(ends[0], ends[1], atol=1e-4)


def test_nobody_is_more_than_a_window_ahead():
    pace, halt, came = Pace(), Halt(), []
    pace.enter(0, 0, halt)
    other = threading.Thread(target=lambda: (pace.enter(1, 2, halt), came.append(pace.slowest)))
    other.start()
    time.sleep(0.05)
    assert not came
    pace.enter(0, 1, halt)
    other.join()
    assert came == [1]


@pytest.mark.parametrize("question", [PLAIN, Question("y", effort="quick", recipe=PLAIN.recipe)])
def test_a_model_of_files_and_lazy_frames_predicts(folder, question):
    frame = pl.scan_parquet("data/*.parquet")
    options = {"effort": "quick"} if question.effort else {"recipe": Recipe(epochs=3)}
    model = TabularModel.fit(frame, "y", cache="cache", **options)
    assert model.evaluate("data/*.csv")["accuracy"] > 0.85
    again = TabularModel.fit(frame, "y", cache="cache", **options)
    one, other = (m.network.parameters.flat for m in (model, again))
    assert (one == other).all()  # which went on from where the first had ended


def test_checkpoints_of_a_table_in_memory_are_refused(folder):
    with pytest.raises(InputError, match="give cache=FOLDER"):
        TabularModel.fit("data/*.csv", "y", cache="cache", checkpoint="run")
    assert not Path("cache").exists()


# --- the command ---------------------------------------------------------------------------------

FIT = [
    "fit",
    "data/*.parquet",
    "-t",
    "y",
    "-m",
    "m.backpass",
    "--plain",
    "--epochs",
    "6",
    "--cache",
    "cache",
]


def backpass(*arguments, **options):
    command = [sys.executable, "-m", "backpass", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_a_command_that_is_killed_goes_on_and_ends_with_the_same_bytes(folder):
    some_rows(60_000).write_parquet("data/4.parquet")
    options = [*FIT, "--checkpoint-every", "0"]
    assert backpass(*options).returncode == 0
    whole = Path("m.backpass").read_bytes()
    Path("cache").rename("finished")
    for seconds in (0.8, 1.2, 1.6, 2.0):
        child = subprocess.Popen(
            [sys.executable, "-m", "backpass", *options], stdout=subprocess.DEVNULL
        )
        time.sleep(seconds)
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert backpass(*options).returncode == 0
    model = TabularModel.load("m.backpass").network.parameters.flat
    Path("m.backpass").write_bytes(whole)
    assert (model == TabularModel.load("m.backpass").network.parameters.flat).all()


def test_a_full_disk_is_told_in_a_line(folder):
    limit = "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (20_000, 20_000)); "
    run = "from backpass.cli import main; import sys; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", limit + run, *FIT]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert told.stderr.startswith("error: cache: no room for the cache")
    assert "--cache" in told.stderr
    assert told.stderr.count("\n") == 1
    assert backpass(*FIT).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux tells of a process")
def test_two_gigabytes_are_fitted_in_one(folder):
    Path("big").mkdir()
    for i in range(25):  # 2.5 million rows of 100 numbers: 2 GB
        X = np.random.default_rng(i).normal(size=(100_000, 100))
        frame = pl.DataFrame(X).with_columns(y=pl.Series(X[:, 0] > 0))
        frame.write_parquet(f"big/{i:02}.parquet", row_group_size=50_000, compression="lz4")
    fit = [*FIT[:1], "big", *FIT[2:]]
    fit[fit.index("--epochs") + 1] = "1"
    child = subprocess.Popen([sys.executable, "-m", "backpass", *fit], stdout=subprocess.DEVNULL)
    most = 0
    while child.poll() is None:
        told = Path(f"/proc/{child.pid}/status").read_text().partition("RssAnon:")[2].split()
        most, _ = max(most, int(told[0]) if told else 0), time.sleep(0.05)
    assert child.returncode == 0
    assert most < 2**20  # KiB
