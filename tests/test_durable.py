"""Durable writing: whatever fails, the old file is whole and nothing else is left."""

import errno
import os
import stat

import pytest

from backpass.errors import ModelFileError
from backpass.storage.atomic_write import durable_write

CHUNKS = [b"new ", b"", memoryview(b"content")]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "report.html"


def left_in(folder):
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize("old", [None, b"old content"])
def test_a_file_is_written_or_replaced(path, old):
    if old is not None:
        path.write_bytes(old)
    durable_write(path, CHUNKS)
    assert path.read_bytes() == b"new content"
    assert left_in(path.parent) == [path.name]


def failing(function, error, at=1):
    """The function, but its call number `at` raises."""
    calls = 0

    def call(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == at:
            raise error
        return function(*args, **kwargs)

    return call


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
DENIED = PermissionError(errno.EACCES, os.strerror(errno.EACCES))


@pytest.mark.parametrize("old", [None, b"old content"])
@pytest.mark.parametrize(
    ("step", "at", "error"),
    [
        ("open", 1, DENIED),
        ("write", 1, FULL),
        ("write", 2, FULL),
        ("fsync", 1, FULL),
        ("replace", 1, DENIED),
    ],
)
def test_a_failing_step_leaves_the_old_file(monkeypatch, path, old, step, at, error):
    if old is not None:
        path.write_bytes(old)
    with monkeypatch.context() as patch:
        patch.setattr(os, step, failing(getattr(os, step), error, at))
        with pytest.raises(ModelFileError) as caught:
            durable_write(path, CHUNKS)
    state = "nothing was written" if old is None else "the old file is untouched"
    start = f"{path}: cannot be written: {error.strerror}; {state}; "
    assert str(caught.value).startswith(start)
    assert left_in(path.parent) == ([] if old is None else [path.name])
    assert old is None or path.read_bytes() == old


def test_a_failing_close_leaves_the_old_file(monkeypatch, path):
    path.write_bytes(b"old")
    close = os.close

    def late_error(descriptor):  # as network file systems report a full disk
        close(descriptor)
        raise FULL

    with monkeypatch.context() as patch:
        patch.setattr(os, "close", late_error)
        with pytest.raises(ModelFileError, match="No space left"):
            durable_write(path, CHUNKS)
    assert path.read_bytes() == b"old"
    assert left_in(path.parent) == [path.name]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ZeroDivisionError()])
def test_other_errors_pass_and_leave_the_old_file(path, error):
    def chunks():
        yield b"new"
        raise error

    path.write_bytes(b"old")
    with pytest.raises(type(error)):
        durable_write(path, chunks())
    assert path.read_bytes() == b"old"
    assert left_in(path.parent) == [path.name]


def test_a_disk_that_is_really_full(path):
    resource = pytest.importorskip("resource")
    path.write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # the kernel's own refusal
    try:
        with pytest.raises(ModelFileError, match="File too large"):
            durable_write(path, [bytes(600), bytes(600)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == b"old"
    assert left_in(path.parent) == [path.name]


def test_partial_writes_are_continued(monkeypatch, path):
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, data: write(descriptor, bytes(data[:3])))
        durable_write(path, CHUNKS)
    assert path.read_bytes() == b"new content"


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot flush a folder")
def test_a_folder_that_cannot_be_flushed_is_reported_as_such(monkeypatch, path):
    broken = OSError(errno.EIO, os.strerror(errno.EIO))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing(os.fsync, broken, at=2))
        with pytest.raises(ModelFileError, match="was written, but its folder cannot be flushed"):
            durable_write(path, CHUNKS)
    assert path.read_bytes() == b"new content"
    assert left_in(path.parent) == [path.name]


def test_a_file_system_without_flushing_of_folders_is_fine(monkeypatch, path):
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing(os.fsync, OSError(errno.EINVAL, "no"), at=2))
        durable_write(path, CHUNKS)
    assert path.read_bytes() == b"new content"


def test_the_file_is_flushed_before_it_takes_the_name(monkeypatch, path):
    steps = []
    for name in ["write", "fsync", "replace"]:
        function = getattr(os, name)

        def noted(*args, name=name, function=function):
            steps.append(name)
            return function(*args)

        monkeypatch.setattr(os, name, noted)
    durable_write(path, [b"new"])
    assert steps == ["write", "fsync", "replace"] + ["fsync"] * (os.name != "nt")


posix = pytest.mark.skipif(os.name == "nt", reason="permission bits are POSIX")


@posix
@pytest.mark.parametrize("mode", [0o600, 0o664, 0o755])
def test_permissions_of_the_old_file_are_kept(path, mode):
    path.write_bytes(b"old")
    path.chmod(mode)
    durable_write(path, CHUNKS)
    assert stat.S_IMODE(path.stat().st_mode) == mode


@posix
def test_a_new_file_follows_the_umask(path):
    old = os.umask(0o027)
    try:
        durable_write(path, CHUNKS)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@posix
def test_a_write_protected_file_is_refused(monkeypatch, path):
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(ModelFileError, match="write-protected; the old file is untouched; choose"):
        durable_write(path, CHUNKS)
    assert path.read_bytes() == b"old"


@posix
def test_a_link_stays_a_link(path, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "target"
    target.write_bytes(b"old")
    path.symlink_to(target)
    durable_write(path, CHUNKS)
    assert path.is_symlink()
    assert target.read_bytes() == b"new content"
    assert left_in(target.parent) == ["target"]


@posix
def test_devices_and_pipes_are_refused(path):
    os.mkfifo(path)
    with pytest.raises(ModelFileError, match="a device or a pipe"):
        durable_write(path, CHUNKS)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (".", "it is a folder; nothing was written; give the name of a file"),
        ("none/report.html", "No such file or directory; nothing was written; make its folder"),
        ("file/report.html", "Not a directory; nothing was written"),
        ("x" * 300, "File name too long; nothing was written; choose a shorter name"),
        ("a\0b", "null character"),
        ("two\nlines/x", r"two\\nlines/x'?: cannot be written: No such file"),
    ],
)
def test_impossible_paths_are_refused_in_one_line(tmp_path, name, reason):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ModelFileError, match=reason) as caught:
        durable_write(f"{tmp_path}/{name}", CHUNKS)
    assert str(caught.value).isprintable()
    assert left_in(tmp_path) == ["file"]
