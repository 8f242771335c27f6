"""Hypothesis profiles: the same examples on every machine in CI, new ones on a desk."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "backpass", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50
)
settings.register_profile("ci", settings.get_profile("backpass"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "backpass")
