from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.environment import Options
from gateway.config.load import load_settings
from gateway.core.alerts import AlertRule, Burn, EstimatedShare, UnknownPrice
from gateway.core.limits import Period
from tests.config.test_schema import problems_of

BUDGET = "alerts: {rules: [{id: a, budget: {usd: 5}, gone_in: 3d"
HOOK = "alerts: {webhook: {url: https://hooks.example.com/x"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("alerts: {rules: [{id: a}]}", "alerts.rules[0]: looks for one thing"),
        (BUDGET + ", unknown_price: {}}]}", "alerts.rules[0]: looks for one thing"),
        ("alerts: {rules: [{id: a, budget: {usd: 5}}]}", "alerts.rules[0]: budget and gone_in belong together"),
        ("alerts: {rules: [{id: a, gone_in: 1d, unknown_price: {}}]}", "budget and gone_in belong together"),
        ("alerts: {rules: [{id: a, estimated: {}}]}", "alerts.rules[0].estimated.above"),
        ("alerts: {rules: [{id: a, estimated: {above: 100%}}]}", "alerts.rules[0].estimated.above"),
        ("alerts: {rules: [{id: 'a b', unknown_price: {}}]}", "alerts.rules[0].id"),
        (BUDGET + ", windows: []}]}", "alerts.rules[0].windows"),
        (BUDGET + ", windows: [10s]}]}", "alerts.rules[0].windows[0]"),
        (BUDGET + ", match: {colour: red}}]}", "alerts.rules[0].match.colour"),
        (BUDGET + ", match: {tag: env}}]}", "a tag is key=value"),
        (BUDGET.replace("usd: 5", "usd: 0") + "}]}", "alerts.rules[0].budget.usd"),
        (BUDGET.replace("usd: 5", "usd: 5, zone: Mars/X") + "}]}", "should be the name of a time zone"),
        (BUDGET.replace("usd: 5", "usd: 5, per: year") + "}]}", "alerts.rules[0].budget.per"),
        (HOOK + ", secret: plain}}", "alerts.webhook.secret"),
        (HOOK + ", allow: [inside]}}", "should be a network such as 10.0.0.0/8"),
        (HOOK + ", allow: [10.0.0.1/8]}}", "should be a network such as 10.0.0.0/8"),
        (HOOK + ", timeout: 5m}}", "alerts.webhook.timeout"),
        (HOOK.replace("https", "ftp") + "}}", "alerts.webhook.url"),
        ("alerts: {every: 10ms}", "alerts.every"),
    ],
)
def test_what_cannot_be_is_said_with_its_place(text: str, problem: str) -> None:
    assert any(problem in each for each in problems_of(text)), problems_of(text)


TEXT = """\
version: 1
alerts:
  every: 30s
  webhook: {url: "https://hooks.example.com/x", secret: env:HOOK, allow: [10.0.0.0/8]}
  rules:
    - {id: burn, match: {team: support, tag: [env=prod, env=dev]}, budget: {usd: 0.1, zone: Europe/Berlin}, gone_in: 3d}
    - {id: unpriced, unknown_price: {calls: 3}}
    - {id: guessed, estimated: {above: 20%, within: 2h}}
"""


def test_settings_are_made_of_it(tmp_path: Path) -> None:
    file = tmp_path / "weighbridge.yaml"
    file.write_text(TEXT)
    result = load_settings(Options(config=str(file)), {"HOOK": "shared"}, tmp_path)
    assert [str(each) for each in result.problems] == []
    assert result.settings is not None
    alerts = result.settings.alerts
    assert alerts is not None
    assert alerts.webhook is not None
    assert alerts.webhook.secret is not None
    assert (alerts.every_s, alerts.webhook.timeout_s, alerts.webhook.allow) == (30.0, 10.0, ("10.0.0.0/8",))
    assert alerts.webhook.secret.reveal() == "shared"
    assert "shared" not in repr(alerts)
    burn, unpriced, guessed = alerts.rules
    assert burn == AlertRule(
        id="burn",
        match={"team": ("support",)},
        tags={"env": ("prod", "dev")},
        what=Burn(
            nanousd=100_000_000,
            per=Period(calendar="month", zone="Europe/Berlin"),
            gone_in_s=3 * 86_400,
            windows_s=(3600, 21_600),
        ),
    )
    assert unpriced.what == UnknownPrice(calls=3, within_s=3600)
    assert guessed.what == EstimatedShare(above=0.2, within_s=7200, min_calls=50)


def test_without_rules_there_is_nothing_to_do(tmp_path: Path) -> None:
    file = tmp_path / "weighbridge.yaml"
    file.write_text("version: 1\nalerts: {every: 5m}\n")
    settings = load_settings(Options(config=str(file)), {}, tmp_path).settings
    assert settings is not None
    assert settings.alerts is None
