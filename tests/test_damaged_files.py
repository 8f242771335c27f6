"""Cut at any byte, with any bit flipped: a file is refused by name, or means what it meant."""

from pathlib import Path

import pytest

from backpass import Network, TabularModel
from backpass.errors import ModelFileError

FIXTURES = Path(__file__).parent / "fixtures"
FILES = {
    "network": (Network, FIXTURES / "network-1-softmax.backpass"),
    "model": (TabularModel, FIXTURES / "model-1-class.backpass"),
}


@pytest.fixture(params=FILES)
def case(request, tmp_path):
    """What loads the file, its bytes, and a place for a damaged copy."""
    loader, source = FILES[request.param]
    return loader, source.read_bytes(), tmp_path / "damaged.backpass"


def meaning(loaded, path):
    """The bytes that saving it again gives: equal things, equal files."""
    loaded.save(path)
    return path.read_bytes()


def test_a_file_cut_at_any_byte_is_refused(case):
    loader, whole, path = case
    for cut in [*(whole[:length] for length in range(len(whole))), whole + b"\0"]:
        path.write_bytes(cut)
        with pytest.raises(ModelFileError, match=r"damaged\.backpass: .*; the file is damaged"):
            loader.load(path)


def test_no_single_flipped_bit_changes_what_is_loaded(case):
    loader, whole, path = case
    path.write_bytes(whole)
    wanted, loaded = meaning(loader.load(path), path.with_suffix(".again")), 0
    messages = set()
    for bit in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            thing = loader.load(path)
        except ModelFileError as error:
            messages.add(str(error))
        else:
            assert meaning(thing, path.with_suffix(".again")) == wanted
            loaded += 1
    assert all(text.startswith(f"{path}: ") and text.isprintable() for text in messages)
    assert loaded == 0  # blanks too: none becomes another blank of JSON by one bit
