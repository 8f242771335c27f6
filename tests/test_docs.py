"""The documentation: its examples run, its links lead somewhere, and no record is left out.

Examples run in a process of their own, a page each: some register records, which must not reach
other tests. Building the pages is ``.ci/run``'s; here is what a build would not find out.
"""

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import backpass
from backpass.core.activations import ACTIVATIONS
from backpass.core.initializers import INITIALIZERS
from backpass.core.losses import LOSSES
from backpass.core.optimizers import OPTIMIZERS
from backpass.core.schedules import SCHEDULES

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(
    page
    for page in DOCS.rglob("*.md")
    if not {"_build", "generated", "_templates"} & set(page.relative_to(DOCS).parts)
)

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="docs/ is not in this checkout")


def examples(page):
    """Return the Python examples of a page in order: line, whether it is a session, code."""
    text = page.read_text(encoding="utf-8")
    fences = re.finditer(r"^```(?:python|pycon)\n(.*?)^```$", text, re.M | re.S)
    return [(text.count("\n", 0, m.start(1)), m[1].startswith(">>>"), m[1]) for m in fences]


RUNNER = """
import doctest, json, sys, warnings
import matplotlib
matplotlib.use("Agg")
warnings.simplefilter("error", UserWarning)
page, examples = json.load(sys.stdin)
names = {"__name__": "page"}
flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
runner = doctest.DocTestRunner(optionflags=flags)
for line, is_session, code in examples:
    if is_session:
        test = doctest.DocTestParser().get_doctest(code, names, page, page, line)
        runner.run(test, clear_globs=False)
        names = test.globs
    else:
        exec(compile("\\n" * line + code, page, "exec"), names)
sys.exit(bool(runner.summarize(verbose=False).failed))
"""


def run(name, found):
    """Run the examples of a page in a process of their own."""
    return subprocess.run(
        [sys.executable, "-c", RUNNER],
        input=json.dumps([name, found]),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(
            page,
            id=str(page.relative_to(DOCS)),
            marks=[pytest.mark.torch] * any("import torch" in code for *_, code in examples(page)),
        )
        for page in PAGES
        if examples(page) and page.name != "tools.md"  # tests/test_tools.py runs those
    ],
)
def test_the_examples_of_a_page_run(page):
    found = examples(page)
    if any("import onnxruntime" in code for *_, code in found):
        pytest.importorskip("onnxruntime")
    done = run(str(page), found)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "wrong", [[0, False, "1 / 0"], [0, True, ">>> 1 + 1\n3\n"], [0, True, ">>> 1 / 0\n"]]
)
def test_the_runner_finds_wrong_examples(wrong):
    assert run("page", [[0, False, "x = 1"], wrong]).returncode != 0


def test_examples_of_a_page_share_their_names():
    shared = [
        [0, False, "x = 1"],
        [2, True, ">>> x + 1\n2\n>>> y = 5\n"],
        [6, False, "assert y == 5"],
    ]
    assert run("page", shared).returncode == 0


def anchors(text):
    """Return the anchors of a page's headings, as GitHub and MyST make them, and its labels."""
    titles = re.findall(r"^#+ (.+)$", text, re.M)
    slugs = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    return slugs | set(re.findall(r"^\(([\w-]+)\)=$", text, re.M))


def record_labels():
    """Return the labels of records' sections, which docs/_ext/records.py makes for all pages."""
    registries = (ACTIVATIONS, INITIALIZERS, LOSSES, OPTIMIZERS, SCHEDULES)
    return {f"{of.kind}-{name.replace('_', '-')}" for of in registries for name in of}


@pytest.mark.parametrize(
    "page",
    [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_internal_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        if not path and anchor in record_labels():
            continue
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name} links to {target}, which is not there"
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file.read_text(encoding="utf-8")), f"{page.name}: {target}"


TEXTS = [*PAGES, *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY"))]


def named(pattern):
    """Return what matches in the pages' texts, each with its page."""
    return [
        pytest.param(match, id=f"{page.name}:{match}")
        for page in TEXTS
        for match in sorted(set(re.findall(pattern, page.read_text(encoding="utf-8"))))
    ]


@pytest.mark.parametrize("path", named(r"(?<![\w/.{}-])[\w/]*\w\.(?:py|hpp|cpp)\b"))
def test_files_that_pages_name_are_there(path):
    where = (ROOT / "src", ROOT / "native", ROOT / "tests", ROOT / "docs", ROOT / "benchmarks")
    bare = "/" not in path and any(any(folder.rglob(path)) for folder in where)
    folders = (ROOT, ROOT / "src", ROOT / "src" / "backpass")
    assert bare or any((folder / path).is_file() for folder in folders), f"{path} is not there"


@pytest.mark.parametrize("name", named(r"\bbackpass(?:\.[A-Za-z_]\w*){2,}\b"))
def test_names_that_pages_refer_to_are_there(name):
    found = backpass
    for part in name.split(".")[1:]:
        if not hasattr(found, part):
            importlib.import_module(f"{found.__name__}.{part}")
        found = getattr(found, part)


def test_every_page_is_reached_from_a_table_of_contents():
    listed = set()
    for page in PAGES:
        for tree in re.findall(r"^```\{toctree\}\n(.*?)^```", page.read_text(), re.M | re.S):
            entries = [e for e in tree.splitlines() if e and not e.startswith(":")]
            for entry in entries:
                for suffix in (".md", ".rst"):
                    listed |= set(page.parent.glob((entry + suffix).removeprefix("../")))
                    listed |= {(page.parent / (entry + suffix)).resolve()}
    missing = {p for p in PAGES if p.resolve() not in listed and p.name != "index.md"}
    assert not missing, f"in no toctree: {sorted(p.name for p in missing)}"
