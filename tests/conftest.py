"""What holds for every test."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# How long an example takes says more about who else is on the machine than about what it tests.
settings.register_profile("weighbridge", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("weighbridge")
