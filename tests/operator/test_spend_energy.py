from __future__ import annotations

import pytest

from gateway.clients.energy import Energy
from gateway.operator.spend import SpendBook
from gateway.operator.spend_energy import energy_of, with_energy
from gateway.operator.spend_query import SpendQuery
from gateway.operator.store import TraceStore
from gateway.plugin.traces import TraceDriver
from tests.support.drivers import with_driver
from tests.support.records import lines, record

NOW_S = 1_794_312_000


class PerToken:
    """Knows one model, and says half to a whole watt-hour a token, one to two a call."""

    name = "plain figures"

    def estimate(self, provider: str, model: str, calls: int, output_tokens: int) -> Energy | None:
        if (provider, model) != ("openai", "known"):
            return None
        low = calls + output_tokens / 2
        return Energy(kwh_low=low, kwh_high=2 * low, gco2e_low=low / 4, gco2e_high=low / 2)


def call(**changes: object):
    values = {"started_us": (NOW_S - 60) * 10**6, "provider": "openai", "model_served": "known", "input_tokens": 1}
    return record(**{**values, "status": 200, "output_tokens": 10, "usage_source": "reported", **changes})


CALLS = (
    call(team="a", tags={"env": "prod", "job": "x"}),
    call(team="a", tags={"env": "prod"}, output_tokens=30),
    call(team="a", output_tokens=None, input_tokens=None, usage_source="missing"),
    call(team="a", status=500, output_tokens=None, input_tokens=None, usage_source="missing"),
    call(team="b", provider="my-openai"),
    call(team="c", model_served="", model_requested="", output_tokens=None, input_tokens=None),
)


@pytest.mark.parametrize(
    ("by", "key", "expected"),
    [
        (("team",), "team", {"a": (22.0, 1), "b": (None, 1), "c": (0.0, 0)}),
        (("provider",), "provider", {"openai": (22.0, 1), "my-openai": (None, 1)}),
        (("tag",), "tag", {"env=prod": (22.0, 0), "job=x": (6.0, 0), "": (None, 2)}),
        (("prompt",), "prompt_id", {"": (22.0, 2)}),
        (("hour",), "hour", {"2026-11-10T12:59+01:00"[:14] + "00+01:00": (22.0, 2)}),
    ],
)
def test_each_line_has_its_energy_and_the_total_each_call_once(
    by: tuple[str, ...], key: str, expected: dict[str, tuple[float | None, int]]
) -> None:
    async def scenario(driver: TraceDriver) -> None:
        store = TraceStore(driver)
        await store.start()
        await store.insert(lines(*CALLS), "a")
        query = SpendQuery(by=by, since_s=NOW_S - 3600, until_s=NOW_S + 60, zone="Europe/Berlin")
        book = SpendBook(driver)
        spent = await with_energy(book, query, await book.spent(query, NOW_S), PerToken())
        found = {row[key]: (row["estimated_kwh_low"], row["unknown_energy_calls"]) for row in spent.rows}
        assert found == expected
        assert (spent.total["estimated_kwh_low"], spent.total["unknown_energy_calls"]) == (22.0, 2)
        assert (spent.total["estimated_kwh_high"], spent.total["estimated_gco2e_high"]) == (44.0, 11.0)
        assert "estimates by plain figures" in spent.notes[-1]

    with_driver("chdb", scenario)


def test_nothing_known_is_unknown_and_nothing_at_all_is_nothing() -> None:
    assert energy_of((Energy(), 0, 3)) == {
        **dict.fromkeys(("estimated_kwh_low", "estimated_kwh_high", "estimated_gco2e_low", "estimated_gco2e_high")),
        "unknown_energy_calls": 3,
    }
    assert energy_of(None)["estimated_kwh_high"] == 0.0
    assert energy_of((Energy(kwh_high=1.0), 1, 3))["estimated_kwh_high"] == 1.0
