"""Hypothesis profiles: the same examples on every machine in CI, new ones on a desk.

SCIPY_ARRAY_API must be set before SciPy is first imported: scikit-learn skips some of its
estimator checks without it.
"""

import os

os.environ["SCIPY_ARRAY_API"] = "1"

from hypothesis import HealthCheck, settings

settings.register_profile(
    "backpass", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50
)
settings.register_profile("ci", settings.get_profile("backpass"), derandomize=True)
# pytest --hypothesis-profile=thorough, before a release
settings.register_profile("thorough", settings.get_profile("backpass"), max_examples=2000)
settings.load_profile("ci" if os.environ.get("CI") else "backpass")
