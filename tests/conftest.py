"""What holds for every test."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says more about who else is on the machine than about what it tests.
# The ordinary suite tries few examples, and the same each time, so that what is green stays green; WEIGHBRIDGE_SOAK=1
# tries many, and looks for new ones.
settings.register_profile(
    "weighbridge",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=200 if os.environ.get("WEIGHBRIDGE_SOAK") == "1" else 40,
    derandomize=os.environ.get("WEIGHBRIDGE_SOAK") != "1",
)
# make check takes a short look; make test has as many examples as each test asks for.
settings.register_profile("brief", settings.get_profile("weighbridge"), max_examples=10)
settings.load_profile("weighbridge")

# Programs inherit what is ignored, and a shell ignores this one for whatever it runs in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)

# What tests start is compiled once, not at each start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Fixtures that start a server or a command of ours.
STARTING = {"gateway", "plane", "weighbridge"}


# Whatever is read here is read whole, however brief the look.
WHOLE = Path(__file__).parent / "architecture"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cases", type=int, metavar="N", help="of each parametrised test, N cases, the first and the last"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Whatever asks for one of them is an integration test, in whichever folder it lies."""
    for item in items:
        if STARTING.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.integration)
    most = config.getoption("--cases")
    if most:
        kept = set(chosen(items, most))
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = [item for item in items if item in kept]


def chosen(items: list[pytest.Item], most: int) -> Iterator[pytest.Item]:
    """Choose so many cases of each test, spread evenly over all of them."""
    cases: dict[tuple[Path, str], list[pytest.Item]] = {}
    for item in items:
        if WHOLE in item.path.parents:
            yield item
        else:
            cases.setdefault((item.path, item.nodeid.partition("[")[0]), []).append(item)
    for each in cases.values():
        wanted = min(most, len(each))
        yield from (each[round(n * (len(each) - 1) / max(1, wanted - 1))] for n in range(wanted))
