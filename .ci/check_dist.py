"""Check what the source distribution and the wheel in a folder hold."""

import pathlib
import sys
import tarfile
import zipfile

folder = pathlib.Path(sys.argv[1])
(wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
with zipfile.ZipFile(wheel) as file:
    names = file.namelist()
tag = f"cp3{sys.version_info.minor}" if sys.version_info < (3, 12) else "abi3"
assert f"-{tag}-" in wheel.name, wheel.name
assert sum("_native." in name and name.endswith((".so", ".pyd")) for name in names) == 1, names
assert {"backpass/py.typed", "backpass/_native.pyi"} <= set(names)
strangers = [name for name in names if not name.startswith(("backpass/", "backpass-"))]
assert not strangers, strangers
assert not [name for name in names if name.endswith((".cpp", ".hpp"))]
with tarfile.open(source) as file:
    inside = {name.partition("/")[2] for name in file.getnames()}
for needed in ("native/kernels.cpp", "CMakeLists.txt", "tests/test_training.py", "LICENSE"):
    assert needed in inside, needed
assert not [name for name in inside if name.endswith((".so", ".o"))]
print(wheel.name, wheel.stat().st_size, source.name, source.stat().st_size)  # noqa: T201
