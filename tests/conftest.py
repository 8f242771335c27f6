"""Hypothesis profiles: the same examples on every machine in CI, new ones on a desk.

SCIPY_ARRAY_API must be set before SciPy is first imported: scikit-learn skips some of its
estimator checks without it. With BACKPASS_REQUIRE_NATIVE=1 or BACKPASS_REQUIRE_TORCH=1 nothing runs
unless the native engine or PyTorch is there, whose tests would be skipped otherwise, and with
BACKPASS_REQUIRE_TEX=1 unless pdflatex is, with BACKPASS_REQUIRE_BROWSER=1 unless a browser is.
"""

import collections
import importlib
import importlib.util
import os
import shutil
import signal
from pathlib import Path

os.environ["SCIPY_ARRAY_API"] = "1"

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "backpass", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50
)
settings.register_profile("ci", settings.get_profile("backpass"), derandomize=True)
# pytest --hypothesis-profile=short, where every example is slow
settings.register_profile("short", settings.get_profile("ci"), max_examples=3)
# pytest --hypothesis-profile=thorough, before a release
settings.register_profile("thorough", settings.get_profile("backpass"), max_examples=2000)
settings.load_profile("ci" if os.environ.get("CI") else "backpass")


NO_TORCH = None if importlib.util.find_spec("torch") else "PyTorch is not installed"
NO_TEX = None if shutil.which("pdflatex") else "pdflatex is not installed"
NO_RAY = None if importlib.util.find_spec("ray") else "Ray is not installed"
AXE = Path(__file__).parent / "browser/node_modules/axe-core/axe.min.js"
THERE = {
    "Playwright is not installed": importlib.util.find_spec("playwright"),
    "Chromium is not installed": shutil.which("chromium"),
    "axe is not installed (npm ci in tests/browser)": AXE.exists(),
}
NO_BROWSER = next((reason for reason, there in THERE.items() if not there), None)
WITHOUT = {"torch": NO_TORCH, "tex": NO_TEX, "ray": NO_RAY, "browser": NO_BROWSER}


def pytest_configure():
    from backpass.engines.extension import missing

    for name, reason in {"native": missing(), **WITHOUT}.items():
        if reason and os.environ.get(f"BACKPASS_REQUIRE_{name.upper()}"):
            raise pytest.UsageError(f"BACKPASS_REQUIRE_{name.upper()} is set, but {reason}")


def pytest_collection_modifyitems(items):
    for marker, reason in WITHOUT.items():
        for item in items:
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_terminal_summary(terminalreporter):
    """Say once for each reason how many tests it has skipped."""
    reports = terminalreporter.stats.get("skipped", [])
    reasons = collections.Counter(report.longrepr[2] for report in reports)
    for reason, number in reasons.most_common():
        terminalreporter.line(f"{number} skipped: {reason.removeprefix('Skipped: ')}")


@pytest.fixture
def reliability(monkeypatch):
    """Import a program of reliability/, which is not installed: ``reliability("kills")``."""
    root = Path(__file__).parent.parent
    if not (root / "reliability").is_dir():
        pytest.skip("reliability/ is not in this checkout")
    monkeypatch.syspath_prepend(str(root))
    return lambda name: importlib.import_module(f"reliability.{name}")


@pytest.fixture
def heard_interrupts():
    """Let Python hear SIGINT, which is ignored in what a shell starts in the background.

    What a test starts hears it, too.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
