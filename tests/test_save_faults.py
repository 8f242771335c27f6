"""Whatever fails while a file is saved, the old file is whole and the temporary one is gone.

Every call of the system that saving makes fails once, one after the other, until a run needs no
more of them: a full disk, a broken one, and a write that takes half of the bytes and then no more.
"""

import os
from pathlib import Path

import pytest

FIXTURES = Path(__file__).parent / "fixtures"
THINGS = ["network-1-activations", "model-1-class", "checkpoint-1-judged"]
FLUSH = [] if os.name == "nt" else ["open", "fsync", "close"]  # of the folder, by then renamed
NOT_KEPT = "cannot be written"


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("fault", ["ENOSPC", "EIO", "short"])
@pytest.mark.parametrize("name", THINGS)
def test_a_fault_at_every_call_leaves_the_old_file(reliability, tmp_path, name, fault, old):
    damage, counts = reliability("damage"), reliability("damage").Counts()
    thing = damage.KINDS[name.partition("-")[0]].load(FIXTURES / f"{name}.backpass")
    tried = damage.fail_saving(thing, tmp_path / "saved.backpass", fault, old, counts)
    assert counts.lost == 0
    made = tried[-1].made  # the calls of a save in which none failed
    writes = made.count("write")
    assert writes >= 2
    assert made == ["open", *["write"] * writes, "fsync", "close", "replace", *FLUSH]
    assert counts.failed == len(made)
    refused = [faults.made[faults.at - 1] for faults in tried if NOT_KEPT in faults.message]
    if fault == "short":
        assert refused == ["write"] * writes  # the second half finds no space
    else:
        assert refused == ["open", *["write"] * writes, "fsync", "close", "replace"]
        replaced = [faults for faults in tried if "was written, but its folder" in faults.message]
        assert len(replaced) == len(FLUSH)


def test_the_faults_are_those_of_the_program(reliability):
    assert reliability("damage").FAULTS == ("ENOSPC", "EIO", "short")


class Hasty:
    """Writes over the old file, and says that it is untouched."""

    def save(self, path):
        from backpass.errors import ModelFileError

        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as file:
                os.write(file.fileno(), b"new" * 10)
        except OSError as error:
            raise ModelFileError("the old file is untouched; nothing was written") from error


@pytest.mark.parametrize("old", [True, False])
def test_a_lost_file_is_noticed(reliability, tmp_path, old):
    damage, counts = reliability("damage"), reliability("damage").Counts()
    damage.fail_saving(Hasty(), tmp_path / "saved", "ENOSPC", old, counts)
    assert counts.lost == 1  # the write; where nothing was opened nothing is lost


def test_a_temporary_file_left_behind_is_noticed(reliability, tmp_path):
    class Untidy:
        def save(self, path):
            path.with_suffix(".tmp").write_bytes(b"")
            path.write_bytes(b"new")

    damage, counts = reliability("damage"), reliability("damage").Counts()
    damage.fail_saving(Untidy(), tmp_path / "saved", "EIO", True, counts)
    assert counts.lost > 0
