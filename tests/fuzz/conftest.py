"""Inputs for each reader: 60, the same every time; with `--hypothesis-profile campaign` 10,000 new ones."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "quick", max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
)
settings.register_profile(
    "campaign", settings.get_profile("quick"), max_examples=10_000, derandomize=False, print_blob=True
)
settings.load_profile("quick")
