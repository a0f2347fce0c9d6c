"""What holds for every test."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says more about who else is on the machine than about what it tests.
# The ordinary suite tries the same examples each time, so that what is green stays green; make soak looks for new ones.
settings.register_profile(
    "weighbridge",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=os.environ.get("WEIGHBRIDGE_SOAK") != "1",
)
# make check takes a short look; make test has as many examples as each test asks for.
settings.register_profile("brief", settings.get_profile("weighbridge"), max_examples=20)
settings.load_profile("weighbridge")

# Programs inherit what is ignored, and a shell ignores this one for whatever it runs in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Fixtures that start a server or a command of ours.
STARTING = {"gateway", "plane", "weighbridge"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever asks for one of them is an integration test, in whichever folder it lies."""
    for item in items:
        if STARTING.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.integration)
