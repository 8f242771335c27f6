"""Cut at any byte, with any bit flipped: a file is refused by name, or means what it meant.

Here one bit of each byte; ``python -m reliability.damage`` flips them all.
"""

import warnings
from pathlib import Path

import numpy as np
import pytest

import make_fixtures
from backpass.errors import ModelFileError

FIXTURES = Path(__file__).parent / "fixtures"
FILES = ["network-1-softmax", "model-1-class", "checkpoint-1-judged"]


@pytest.fixture(params=FILES)
def case(request, reliability):
    """The program that damages files, what loads one, and the file."""
    damage = reliability("damage")
    source = FIXTURES / f"{request.param}.backpass"
    return damage, damage.KINDS[request.param.partition("-")[0]], source


def test_a_file_cut_at_any_byte_is_refused(case, tmp_path):
    damage, kind, source = case
    counts = damage.Counts()
    damage.cut(kind, source, tmp_path, counts)
    assert counts.refused == counts.cut == source.stat().st_size + 1
    assert all("; the file is damaged" in message for message in counts.messages)


@pytest.mark.slow
def test_no_flipped_bit_changes_what_is_loaded(case, tmp_path):
    damage, kind, source = case
    counts, size = damage.Counts(), source.stat().st_size
    bits = 8 * np.arange(size) + np.random.default_rng(0).integers(0, 8, size)
    damage.flip(kind, source, tmp_path, counts, bits.tolist())
    assert counts.refused == counts.flipped == size  # blanks, too: no bit makes another blank


def test_every_kind_of_file_is_damaged(reliability):
    assert {name.partition("-")[0] for name in FILES} == set(reliability("damage").KINDS)


class Careless:
    """Loads anything as one of two things; saves one of them for both."""

    def __init__(self, error=None, keeps=False):
        self.error, self.keeps, self.data = error, keeps, b""

    def load(self, path):
        if self.error is not None and path.read_bytes() != b"whole":
            raise self.error
        loaded = Careless(keeps=self.keeps)
        loaded.data = path.read_bytes() if self.keeps else b"whole"
        return loaded

    def save(self, path):
        path.write_bytes(self.data)


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        (Careless(), "same"),
        (Careless(keeps=True), "wrong"),
        (Careless(ValueError("no file of ours")), "crashed"),
        (Careless(ModelFileError("of no file")), "crashed"),
        (Careless(MemoryError()), "crashed"),
    ],
)
def test_what_is_wrongly_loaded_is_noticed(reliability, tmp_path, kind, found):
    damage, source = reliability("damage"), tmp_path / "source"
    source.write_bytes(b"whole")
    counts = damage.Counts()
    damage.cut(kind, source, tmp_path, counts)
    damage.flip(kind, source, tmp_path, counts, range(40))
    assert getattr(counts, found) == counts.cut + counts.flipped == 6 + 40


def test_training_goes_on_from_the_one_before(tmp_path):
    """However the newest checkpoint is damaged, as long as there is another one."""
    run, _ = make_fixtures.RUNS["exact"]
    source = FIXTURES / "checkpoint-1-exact.backpass"
    whole, newer = source.read_bytes(), tmp_path / "checkpoint-000000000009.backpass"
    flipped = whole[:-1] + bytes([whole[-1] ^ 1])
    wanted = run().parameters.flat
    for damaged in (b"", whole[:7], whole[:400], whole[:-1], flipped, whole + b"x", b"\xff" * 99):
        for path in tmp_path.iterdir():
            path.unlink()
        (tmp_path / "checkpoint-000000000003.backpass").write_bytes(whole)
        newer.write_bytes(damaged)
        with pytest.warns(UserWarning, match=r"09\.backpass: .* from the checkpoint before"):
            network = run(checkpoint=tmp_path, resume=True)
        np.testing.assert_array_equal(network.parameters.flat, wanted)
        with warnings.catch_warnings():  # the damaged one is gone
            warnings.simplefilter("error")
            run(checkpoint=tmp_path, resume=True)
