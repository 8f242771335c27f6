"""Whatever fails while a file is saved, the old file is whole and the temporary one is gone.

Every call of the system that saving makes fails once, one after the other, until a run needs no
more of them: a full disk, a broken one, and a write that takes half of the bytes and then no more.
"""

import errno
import os
from pathlib import Path

import pytest

from backpass import Network, TabularModel
from backpass.errors import ModelFileError

FIXTURES = Path(__file__).parent / "fixtures"
THINGS = {
    "network": (Network, FIXTURES / "network-1-activations.backpass"),
    "model": (TabularModel, FIXTURES / "model-1-class.backpass"),
}
CALLS = ["open", "write", "fsync", "close", "replace"]


class Faults:
    """The system's calls, of which number `at` fails; after a short write the disk is full."""

    def __init__(self, patch, fault, at):
        self.fault, self.at, self.made, self.full = fault, at, [], False
        for name in CALLS:
            patch.setattr(os, name, self.counted(name, getattr(os, name)))

    def counted(self, name, real):
        def call(*args, **kwargs):
            self.made.append(name)
            number = len(self.made)
            if name == "write" and self.full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if number == self.at and self.fault == "short":
                if name == "write":
                    self.full = True
                    return real(args[0], bytes(args[1])[: len(args[1]) // 2])
            elif number == self.at:
                if name == "close":
                    real(*args)  # as network file systems do: closed, but not all of it kept
                code = getattr(errno, self.fault)
                raise OSError(code, os.strerror(code))
            return real(*args, **kwargs)

        return call

    @property
    def fault_struck(self):
        return len(self.made) >= self.at


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("fault", ["ENOSPC", "EIO", "short"])
@pytest.mark.parametrize("kind", THINGS)
def test_a_fault_at_every_call_leaves_the_old_file(monkeypatch, tmp_path, kind, fault, old):
    loader, source = THINGS[kind]
    thing, path = loader.load(source), tmp_path / "saved.backpass"
    thing.save(path)
    new, refused, replaced = path.read_bytes(), [], 0
    for at in range(1, 100):
        path.unlink()
        if old:
            path.write_bytes(b"the old file")
        with monkeypatch.context() as patch:
            faults = Faults(patch, fault, at)
            try:
                thing.save(path)
            except ModelFileError as error:
                message = str(error)
            else:
                message = ""
        assert [entry.name for entry in tmp_path.iterdir()] in ([path.name], [])  # no temporary
        if not message:
            assert path.read_bytes() == new
            if not faults.fault_struck:
                break
        elif "was written, but its folder" in message:
            replaced += 1
            assert path.read_bytes() == new
        else:
            refused.append(faults.made[at - 1])
            assert ("the old file is untouched" if old else "nothing was written") in message
            assert (path.read_bytes() == b"the old file") if old else not path.exists()
        path.touch()
    assert not faults.fault_struck, "saving made no end of calls"
    writes = faults.made.count("write")
    assert writes >= 2
    assert faults.made == ["open", *["write"] * writes, "fsync", "close", "replace", *FLUSH]
    if fault == "short":
        assert refused == ["write"] * writes  # the second half finds no space
    else:
        assert refused == ["open", *["write"] * writes, "fsync", "close", "replace"]
        assert replaced == len(FLUSH)


FLUSH = [] if os.name == "nt" else ["open", "fsync", "close"]  # of the folder, by then renamed
