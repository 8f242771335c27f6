"""What SECURITY.md promises of files: loading executes nothing and takes memory by their size."""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from backpass import Network, TabularModel, check_gradients, explain_mismatch, trace
from backpass.derivatives.homework.answer_files import read_answer
from backpass.derivatives.tracing import example
from backpass.errors import InputError, ModelFileError
from backpass.storage.container import write_container

HERE = Path(__file__).parent
FIXTURES = HERE / "fixtures"
POLICY = HERE.parent / "SECURITY.md"

# Python reports every opened file, import, compilation, process, socket and unpickled class here
WATCHED = """
import json, sys
from pathlib import Path
from backpass import Network, TabularModel
from backpass.training.checkpoints import KIND
from backpass.errors import ModelFileError
from backpass.training.snapshots import SNAPSHOT_SCHEMA
from backpass.storage.container import read_container
files = [Path(name) for name in json.load(sys.stdin)]

def load_checkpoint(path):
    return read_container(path, KIND, SNAPSHOT_SCHEMA)

def load_all():
    loaded = refused = 0
    for path in files:
        for load in (Network.load, TabularModel.load, load_checkpoint):
            try:
                load(path)
            except ModelFileError:
                refused += 1
            else:
                loaded += 1
    return loaded, refused

load_all()  # whatever is imported on first use has been imported then
seen, watching = set(), True
def hook(event, args):
    if watching:
        seen.add((event, str(args[0]), args[2]) if event == "open" else (event, "", 0))
sys.addaudithook(hook)
counts = load_all()
watching = False
print(json.dumps([counts, sorted(seen)]))
"""
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
HARMLESS = {"object.__getattr__", "sys._getframe", "builtins.id"}


def test_loading_executes_nothing_and_opens_nothing_else(tmp_path):
    files = sorted(FIXTURES.glob("*.backpass"))
    meta = {"sizes": [1, 1], "activations": ["__import__('os').system('id')"], "loss": "exec"}
    write_container(tmp_path / "code.backpass", "network", meta, {})
    (tmp_path / "pickle.backpass").write_bytes(b"cos\nsystem\n(S'id'\ntR.")
    (tmp_path / "cut.backpass").write_bytes(files[0].read_bytes()[:-9])
    files += sorted(tmp_path.iterdir())
    done = subprocess.run(
        [sys.executable, "-c", WATCHED], input=json.dumps([str(path) for path in files]),
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    counts, seen = json.loads(done.stdout)
    assert counts == [len(files) - 3, 2 * len(files) + 3]
    opened = {path for event, path, _ in seen if event == "open"}
    assert opened == {str(path) for path in files}
    assert not any(flags & WRITING for _, _, flags in seen)
    assert {event for event, _, _ in seen} - {"open"} <= HARMLESS


def peak(load, path):
    """The most memory that loading takes, in bytes, whether it ends well or not."""
    tracemalloc.start()
    try:
        load(path)
    except ModelFileError:
        pass
    finally:
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return most


MANY = 20_000
GREEDY = {
    "many layers": ({"sizes": [1] * MANY, "activations": ["exp"], "loss": "huber"}, {}),
    "many activations": (
        {"sizes": [1, 1], "activations": ["elu"] * MANY, "loss": "huber"},
        {"W_1": np.ones((1, 1)), "b_1": np.ones(1)},
    ),
    "huge layers": ({"sizes": [2**60, 2**60], "activations": ["exp"], "loss": "huber"}, {}),
    "other JSON": ({"x": [{} for _ in range(MANY)]}, {}),
    "deep layers": (
        {
            "sizes": [1] * 2001,
            "activations": [f"elu:alpha={1 + i / 4096}" for i in range(2000)],
            "loss": "squared_error",
        },
        {f"{n}_{i}": np.ones((1, 1) if n == "W" else 1) for i in range(1, 2001) for n in "Wb"},
    ),
    "a large tensor": (
        {"sizes": [1000, 1000], "activations": ["identity"], "loss": "squared_error"},
        {"W_1": np.ones((1000, 1000)), "b_1": np.ones(1000)},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", GREEDY)
@pytest.mark.parametrize("kind", ["network", "model"])
def test_memory_follows_the_size_of_the_file(tmp_path, case, kind):
    meta, tensors = GREEDY[case]
    path = tmp_path / "greedy.backpass"
    if kind == "model":
        meta, tensors = {"network": meta}, {"network.flat": np.ones(5)}
    write_container(path, kind, meta, tensors)
    load = Network.load if kind == "network" else TabularModel.load
    peak(load, path)  # imports and caches
    size = path.stat().st_size
    arrays = sum(tensor.nbytes for tensor in tensors.values())
    # Arrays twice, as they lie in the file and as one buffer, and a byte a number to see that it is
    # finite. JSON four times as text, and as objects: the densest, "{},", takes 72 bytes of memory
    # for 3 of the file, and lists grow by 9/8.
    assert peak(load, path) < 32 * (size - arrays) + 2.25 * arrays + 2**16


class Trap:
    """An object whose unpickling would be noticed."""

    def __reduce__(self):
        return pytest.fail, ("an object was unpickled",)


@pytest.mark.parametrize("name", ["answer.npy", "answer.npz"])
def test_answers_with_python_objects_are_refused_unread(tmp_path, name):
    trap = np.array([Trap()], dtype=object)
    save = np.save if name.endswith("npy") else np.savez
    save(tmp_path / name, trap)
    with pytest.raises(InputError, match="holds Python objects, which are not read"):
        read_answer(tmp_path / name)


def shown_pages():
    """Return every page of derivatives that can be written, and whether it may run a script."""
    network, X, y = example("small")
    right = network.loss_and_gradients(X, y)[1]
    seen = trace(network, X, y, input_names=["<b>", "onerror='x'"])
    return {
        "trace": (seen.to_html(), False),
        "stepping trace": (seen.to_html(interactive=True), True),
        "certificate": (check_gradients(network, X, y).to_html(), False),
        "verdict": (explain_mismatch(network, X, y, -right.weights[0]).to_html(), False),
    }


def test_pages_allow_the_style_and_the_script_in_them_and_nothing_else():
    def hashed(text):
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    for name, (page, stepping) in shown_pages().items():
        (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="(.*?)"', page)
        (style,) = re.findall(r"<style>(.*?)</style>", page, re.S)
        scripts = re.findall(r"<script[^>]*>(.*?)</script>", page, re.S)
        rules = ["default-src 'none'", "base-uri 'none'", "form-action 'none'"]
        rules += [f"style-src {hashed(style)}"]
        rules += [f"script-src {hashed(script)}" for script in scripts]
        assert policy.split("; ") == rules, name
        assert len(scripts) == stepping, name
        assert not re.search(r"<[^>]*\s(on\w+|style|src)=", page), name
        assert all("import" not in script for script in scripts), name


def test_every_test_that_the_policy_names_is_there():
    if not POLICY.exists():
        pytest.skip("SECURITY.md is not in this checkout")
    named = re.findall(r"`tests/(\w+\.py)(?:::(\w+))?`", POLICY.read_text(encoding="utf-8"))
    assert len(named) >= 8
    for file, test in named:
        text = (HERE / file).read_text(encoding="utf-8")
        assert not test or f"def {test}(" in text, f"{file} has no {test}"
