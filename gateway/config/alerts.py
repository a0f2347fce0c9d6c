"""The section ``alerts``: what it may hold, and the settings that are made of it."""

from __future__ import annotations

import ipaddress
from decimal import Decimal
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from gateway.config.addresses import parse_base_url
from gateway.config.alerting import Alerts, Webhook
from gateway.config.provider_spec import Text
from gateway.config.references import References, SecretReference
from gateway.config.source import Document
from gateway.config.units import parse_duration, parse_percent
from gateway.config.validation import Many, Strict
from gateway.core.alerts import AlertRule, Burn, EstimatedShare, UnknownPrice
from gateway.core.limits import Period

_NANO = 10**9
_SPAN = WithJsonSchema({"type": "string", "examples": ["1h", "6h", "3d"]})
# Sums are by the minute, so a shorter window has nothing to look at; a longer one than roll-ups are kept would lie.
_Window = Annotated[float, BeforeValidator(parse_duration), Field(ge=60, le=366 * 86_400), _SPAN]
_Every = Annotated[float, BeforeValidator(parse_duration), Field(ge=1, le=86_400), _SPAN]
_Timeout = Annotated[float, BeforeValidator(parse_duration), Field(ge=0.1, le=60), _SPAN]
_Share = Annotated[
    float, BeforeValidator(parse_percent), Field(ge=0, lt=1), WithJsonSchema({"type": "string", "examples": ["20%"]})
]


def _zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (ValueError, OSError, LookupError):
        raise ValueError("should be the name of a time zone such as Europe/Berlin") from None


def _network(written: str) -> str:
    try:
        return str(ipaddress.ip_network(written))
    except ValueError:
        raise ValueError("should be a network such as 10.0.0.0/8") from None


def _one_or_more(value: object) -> object:
    return (value,) if isinstance(value, str) else value


_Values = Annotated[
    Many[Text], BeforeValidator(_one_or_more, json_schema_input_type=str | list[str]), Field(min_length=1)
]


class AlertBudgetSpec(Strict):
    """So much money in each day, week or month of a place."""

    usd: Annotated[int | float, Field(gt=0, le=1_000_000_000)]
    per: Literal["day", "week", "month"] = "month"
    zone: Annotated[str, AfterValidator(_zone)] = "UTC"


class UnknownPriceSpec(Strict):
    """That many calls of unknown cost within a time."""

    calls: Annotated[int, Field(ge=1)] = 1
    within_s: _Window = Field(3600.0, validation_alias="within")


class EstimatedSpec(Strict):
    """A share of the cost that is estimated."""

    above: _Share
    within_s: _Window = Field(86_400.0, validation_alias="within")
    min_calls: Annotated[int, Field(ge=1)] = 50


class AlertMatchSpec(Strict):
    """Whose calls count: exact values, together."""

    key: _Values | tuple[()] = ()
    team: _Values | tuple[()] = ()
    tenant: _Values | tuple[()] = ()
    model: _Values | tuple[()] = ()
    alias: _Values | tuple[()] = ()
    provider: _Values | tuple[()] = ()
    deployment: _Values | tuple[()] = ()
    tag: _Values | tuple[()] = ()


class AlertRuleSpec(Strict):
    """One rule: a budget that goes too fast, calls of unknown cost, or too much that is estimated."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    match: AlertMatchSpec
    budget: AlertBudgetSpec | None = None
    gone_in_s: _Window | None = Field(None, validation_alias="gone_in")
    windows_s: Annotated[Many[_Window], Field(min_length=1, max_length=4)] = Field(
        (3600.0, 21_600.0), validation_alias="windows"
    )
    unknown_price: UnknownPriceSpec | None = None
    estimated: EstimatedSpec | None = None

    @model_validator(mode="after")
    def _looks_for_one_thing(self) -> Self:
        if sum(each is not None for each in (self.budget, self.unknown_price, self.estimated)) != 1:
            raise ValueError("looks for one thing: give budget, unknown_price or estimated")
        if (self.budget is None) != (self.gone_in_s is None):
            raise ValueError("budget and gone_in belong together")
        if any("=" not in tag for tag in self.match.tag):
            raise ValueError("a tag is key=value")
        return self


class WebhookSpec(Strict):
    """Who is told."""

    url: Annotated[str, BeforeValidator(parse_base_url)]
    secret: SecretReference | None = None
    timeout_s: _Timeout = Field(10.0, validation_alias="timeout")
    allow: Many[Annotated[str, AfterValidator(_network)]] = ()


class AlertsSpec(Strict):
    """What is looked for, how often, and who is told."""

    every_s: _Every = Field(60.0, validation_alias="every")
    webhook: WebhookSpec | None = None
    rules: Many[AlertRuleSpec] = ()


def alerts_from(spec: AlertsSpec, references: References, document: Document) -> Alerts | None:
    """Make settings; ``None`` when there is nothing to look for and nobody to tell: drift is told to the same one."""
    if not spec.rules and spec.webhook is None:
        return None
    webhook = None
    if spec.webhook is not None:
        webhook = Webhook(
            url=spec.webhook.url,
            secret=references.resolve(spec.webhook.secret, document, ("alerts", "webhook", "secret")),
            timeout_s=spec.webhook.timeout_s,
            allow=spec.webhook.allow,
        )
    return Alerts(rules=tuple(_rule(each) for each in spec.rules), every_s=spec.every_s, webhook=webhook)


def _rule(spec: AlertRuleSpec) -> AlertRule:
    names = ("key", "team", "tenant", "model", "alias", "provider", "deployment")
    match: dict[str, tuple[str, ...]] = {name: getattr(spec.match, name) for name in names}
    tags: dict[str, tuple[str, ...]] = {}
    for each in spec.match.tag:
        key, _, value = each.partition("=")
        tags[key] = (*tags.get(key, ()), value)
    return AlertRule(id=spec.id, match={k: v for k, v in match.items() if v}, tags=tags, what=_what(spec))


def _what(spec: AlertRuleSpec) -> Burn | UnknownPrice | EstimatedShare:
    if spec.unknown_price is not None:
        return UnknownPrice(calls=spec.unknown_price.calls, within_s=spec.unknown_price.within_s)
    if spec.estimated is not None:
        estimated = spec.estimated
        return EstimatedShare(above=estimated.above, within_s=estimated.within_s, min_calls=estimated.min_calls)
    if spec.budget is None or spec.gone_in_s is None:
        raise AssertionError
    return Burn(
        nanousd=round(Decimal(str(spec.budget.usd)) * _NANO),
        per=Period(calendar=spec.budget.per, zone=spec.budget.zone),
        gone_in_s=spec.gone_in_s,
        windows_s=spec.windows_s,
    )
