"""The price book: what a call costs, exactly, or ``None`` when nobody knows. Unknown is neither zero nor a guess."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase

from gateway.accounting.rates import Bands, Rate, Schedule, Tariff
from gateway.clients.price_catalog import ListedPrice, PriceCatalog, load_catalog
from gateway.core.exchange import Deployment
from gateway.core.prices import ContextTier, PriceRow, TokenPrices
from gateway.core.usage import Price, Usage, cost_nanousd

# No model is called that; matching time grows with the name.
_MAX_MODEL_CHARS = 200
_GLOB_CHARS = frozenset("*?[")
_EPOCH = date(1970, 1, 1)
# The price list's units for our buckets, and how many of its dollars make one of ours.
_LISTED_UNITS = {
    "input_mtok": ("input", 1),
    "output_mtok": ("output", 1),
    "output_reasoning_mtok": ("reasoning", 1),
    "cache_read_mtok": ("cached_input", 1),
    "cache_write_mtok": ("cache_write", 1),
    "cache_write_1h_mtok": ("cache_write_1h", 1),
    "input_audio_mtok": ("audio_input", 1),
    "output_audio_mtok": ("audio_output", 1),
    "input_image_mtok": ("image_input", 1),
    "output_image_mtok": ("image_output", 1),
    "requests_kcount": ("per_call", 1000),
}
_LISTED_TOOLS = {"web_searches_kcount": ("web_search", 1000)}
_ROW_BUCKETS = (
    "input", "output", "cached_input", "cache_write", "cache_write_1h", "audio_input", "audio_output", "image_input",
    "image_output",
)  # fmt: skip
_FREE = Schedule((Tariff(((-1, Rate(dict.fromkeys(_ROW_BUCKETS, Decimal(0)))),)),))


class PriceBook:
    """Prices by provider and model: the configuration's own rows first, then the public list.

    The public list is consulted for a provider whose address or exact name it knows, never by a model's name alone:
    the same model costs something else, or nothing, on a server of one's own.

    Args:
        overrides: Rows of the configuration. An exact model outranks a glob, a later day an earlier one.
        load: Gives the public list; called once, on first need or by :meth:`warm`.
        memo_size: How many models are remembered. Clients may choose names, so this bounds what they can make us keep.
    """

    def __init__(
        self,
        overrides: tuple[PriceRow, ...] = (),
        load: Callable[[], PriceCatalog] = load_catalog,
        memo_size: int = 4096,
    ) -> None:
        self._overrides = sorted(overrides, key=_rank)
        self._load = load
        self._catalog: PriceCatalog | None = None
        self._memo: dict[tuple[str, str, str, str], Schedule] = {}
        self._memo_size = memo_size

    def warm(self) -> None:
        """Load the public list. Blocks for about 0.2 s: call it on a thread, before the first call comes in."""
        if self._catalog is None:
            self._catalog = self._load()

    def cost_nanousd(
        self, deployment: Deployment, usage: Usage, at_us: int, *, model: str = "", served: str = ""
    ) -> int | None:
        """Price a call.

        Args:
            deployment: Who served it.
            usage: What was used.
            at_us: When, in microseconds since 1970.
            model: The name the provider was asked for, when the deployment leaves it to the client.
            served: The name the provider says it served; more exact than the one asked for.

        Returns:
            Nano-dollars, or ``None`` when the model, the tier it was served in, or anything that was used has no
            known price.
        """
        if deployment.price is not None:
            return cost_nanousd(usage, deployment.price)
        schedule = self._schedule(deployment, model, served)
        rate = schedule.flat
        if usage.apart is not None:
            rate = schedule.rate(usage.input_tokens, at_us, usage.apart.service_tier)
        elif rate is None and schedule.known:
            rate = schedule.rate(usage.input_tokens, at_us)
        return None if rate is None else rate.cost_nanousd(usage)

    def price(
        self, deployment: Deployment, at_us: int, *, model: str = "", served: str = "", input_tokens: int = 0
    ) -> Price | None:
        """What tokens cost in a call with this much input; arguments as for :meth:`cost_nanousd`."""
        if deployment.price is not None:
            return deployment.price
        rate = self._schedule(deployment, model, served).rate(input_tokens, at_us)
        return None if rate is None else rate.price()

    def context_window(self, deployment: Deployment) -> int:
        """Tokens that a request and its answer may have together, as the public list has it; 0 when unknown.

        It is looked up each time, in up to a millisecond: callers remember it.
        """
        if deployment.kind == "sim" or not 0 < len(deployment.model) <= _MAX_MODEL_CHARS:
            return 0
        self.warm()
        catalog = self._catalog
        listed_as = "" if catalog is None else catalog.provider_id(deployment.provider, deployment.base_url)
        return catalog.context_window(listed_as, deployment.model) if catalog is not None and listed_as else 0

    def _schedule(self, deployment: Deployment, model: str, served: str) -> Schedule:
        if deployment.kind == "sim":
            return _FREE
        key = (deployment.provider, deployment.base_url, deployment.model or model, served)
        schedule = self._memo.get(key)
        if schedule is None:
            schedule = self._find(*key)
            if len(key[2]) <= _MAX_MODEL_CHARS and len(served) <= _MAX_MODEL_CHARS:
                if len(self._memo) >= self._memo_size:
                    del self._memo[next(iter(self._memo))]
                self._memo[key] = schedule
        return schedule

    def _find(self, provider: str, base_url: str, asked: str, served: str) -> Schedule:
        self.warm()
        catalog = self._catalog
        listed_as = "" if catalog is None else catalog.provider_id(provider, base_url)
        asked, served = (name if len(name) <= _MAX_MODEL_CHARS else "" for name in (asked, served))
        own = self._own(provider, listed_as, asked) or self._own(provider, listed_as, served)
        public: tuple[ListedPrice, ...] = ()
        if catalog is not None and listed_as:
            for name in (served, asked):
                if name and not public:
                    public = catalog.listed(listed_as, name)
        tariffs = tuple(_tariff(price) for price in public)
        return Schedule((*tariffs, *own), tariffs[0] if tariffs else None)

    def _own(self, provider: str, listed_as: str, model: str) -> tuple[Tariff, ...]:
        if not model:
            return ()
        for name in (provider, listed_as):
            rows = [row for row in self._overrides if name == row.provider and fnmatchcase(model, row.model)]
            if name and rows:
                return tuple(_row_tariff(row) for row in rows)
        return ()


def _rank(row: PriceRow) -> tuple[bool, int, str]:
    wild = sum(char in _GLOB_CHARS for char in row.model)
    return not wild, len(row.model) - wild, "" if row.valid_from is None else row.valid_from.isoformat()


def _row_tariff(row: PriceRow) -> Tariff:
    per_call = {"per_call": _decimal(row.per_call_usd)}
    tools = {tool: _decimal(fee) for tool, fee in row.tool_call_usd}
    from_us = None if row.valid_from is None else _midnight_us(row.valid_from)
    tiers = {tier.name: _row_bands(tier, tier.tiers, per_call, tools) for tier in row.service_tiers}
    return Tariff(_row_bands(row, row.tiers, per_call, tools), from_us, tiers=tiers)


def _row_bands(
    base: TokenPrices, above: tuple[ContextTier, ...], per_call: dict[str, Decimal], tools: dict[str, Decimal]
) -> Bands:
    plain = per_call | _row_dollars(base)
    # What a band does not name costs what it costs below it.
    bands: list[tuple[int, Rate | None]] = [(-1, Rate(plain, tools))]
    for tier in sorted(above, key=lambda each: each.above):
        plain = plain | _row_dollars(tier)
        bands.append((tier.above, Rate(plain, tools)))
    return tuple(bands)


def _row_dollars(prices: TokenPrices) -> dict[str, Decimal]:
    given = ((bucket, getattr(prices, f"{bucket}_usd_mtok")) for bucket in _ROW_BUCKETS)
    return {bucket: _decimal(each) for bucket, each in given if each is not None}


def _tariff(listed: ListedPrice) -> Tariff:
    from_us = None if listed.from_date is None else _midnight_us(listed.from_date)
    known = {unit: steps for unit, steps in listed.usd.items() if unit in _LISTED_UNITS}
    fees = {unit: steps for unit, steps in listed.usd.items() if unit in _LISTED_TOOLS}
    if not known:
        # Sold by the hour or the character: a call without tokens is not free, it is unknown.
        return Tariff(((-1, None),), from_us, listed.daily)
    bands: list[tuple[int, Rate | None]] = []
    for limit in sorted({above for steps in known.values() for above, _ in steps}):
        dollars: dict[str, Decimal] = {}
        for unit, steps in known.items():
            name, divisor = _LISTED_UNITS[unit]
            dollars[name] = [price for above, price in steps if above <= limit][-1] / divisor
        tools = {name: fees[unit][0][1] / divisor for unit, (name, divisor) in _LISTED_TOOLS.items() if unit in fees}
        bands.append((limit, Rate(dollars, tools)))
    return Tariff(tuple(bands), from_us, listed.daily)


def _midnight_us(day: date) -> int:
    return (day - _EPOCH).days * 86_400_000_000


def _decimal(number: float) -> Decimal:
    # By its shortest decimal form: 0.15 means fifteen hundredths, whatever binary makes of it.
    return Decimal(repr(number))
