"""Hypothesis profiles: the same examples on every machine in CI, new ones on a desk.

SCIPY_ARRAY_API must be set before SciPy is first imported: scikit-learn skips some of its
estimator checks without it. With BACKPASS_REQUIRE_NATIVE=1 nothing runs unless the native engine is
there, whose tests would be skipped otherwise.
"""

import importlib
import os
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


def pytest_configure():
    if os.environ.get("BACKPASS_REQUIRE_NATIVE"):
        from backpass.engines.extension import missing

        if missing():
            raise pytest.UsageError(f"BACKPASS_REQUIRE_NATIVE is set, but {missing()}")


@pytest.fixture
def reliability(monkeypatch):
    """Import a program of reliability/, which is not installed: ``reliability("kills")``."""
    root = Path(__file__).parent.parent
    if not (root / "reliability").is_dir():
        pytest.skip("reliability/ is not in this checkout")
    monkeypatch.syspath_prepend(str(root))
    return lambda name: importlib.import_module(f"reliability.{name}")
