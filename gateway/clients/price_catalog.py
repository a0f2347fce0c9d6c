"""The public price list of ``genai-prices`` as plain values. Its data is in the package; nothing is fetched."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from decimal import Decimal
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from genai_prices.types import ConditionalPrice, ModelInfo, ModelPrice, Provider, TieredPrices

# Names that people give a provider, where the list knows it by another. Exact names only: a name that merely contains
# "openai" may well be a server of one's own.
_ALIASES = {
    "azure-openai": "azure",
    "azure_openai": "azure",
    "bedrock": "aws",
    "gemini": "google",
    "moonshot": "moonshotai",
    "together-ai": "together",
    "together_ai": "together",
    "vertex": "google",
    "xai": "x-ai",
}
# It can also fetch newer prices, with a client of 2 MB; we never do.
_LIST = "genai_prices"
# What may follow a provider's pattern in an address; some patterns end inside the host, in a dot.
_BOUNDARY = "/."


class ListedPrice(NamedTuple):
    """What a model costs under one condition.

    Attributes:
        from_date: First day (UTC) of this price; ``None`` for always.
        daily: Seconds of the day (UTC), from and until, between which it holds; ``None`` for all day.
        usd: For each unit of the list (``input_mtok``), ``(above, price)`` by rising total input: the price of the
            last step whose ``above`` the input exceeds.
    """

    from_date: date | None
    daily: tuple[int, int] | None
    usd: dict[str, tuple[tuple[int, Decimal], ...]]


class PriceCatalog(Protocol):
    """Who knows public prices."""

    def provider_id(self, name: str, base_url: str) -> str:
        """The list's own name for a provider of the configuration, or empty when it is not a listed one."""
        ...

    def listed(self, provider_id: str, model: str) -> tuple[ListedPrice, ...]:
        """A model's prices, the one that holds when no other does first, later ones stronger; empty when unknown."""
        ...

    def context_window(self, provider_id: str, model: str) -> int:
        """Tokens that a request and its answer may have together; 0 when unknown."""
        ...


class BundledCatalog:
    """The list as the package ships it."""

    __slots__ = ("_providers",)

    def __init__(self, providers: list[Provider]) -> None:
        self._providers = providers

    def provider_id(self, name: str, base_url: str) -> str:
        """Find the listed provider at an address, else the one of exactly this name; empty when neither is listed.

        Args:
            name: The provider's name in the configuration.
            base_url: Where it is reached.
        """
        address = _plain_address(base_url)
        for provider in self._providers:
            found = re.match(provider.api_pattern, address)
            if found and _whole(found.group(), address):
                return provider.id
        name = name.lower()
        name = _ALIASES.get(name, name)
        return name if any(provider.id == name for provider in self._providers) else ""

    def listed(self, provider_id: str, model: str) -> tuple[ListedPrice, ...]:
        """The prices of a model; costs up to a millisecond, so callers remember the answer."""
        found = self._model(provider_id, model)
        return () if found is None else tuple(_listed(found.prices))

    def context_window(self, provider_id: str, model: str) -> int:
        """Give a model's context window; costs up to a millisecond, too."""
        found = self._model(provider_id, model)
        return 0 if found is None else found.context_window or 0

    def _model(self, provider_id: str, model: str) -> ModelInfo | None:
        for provider in self._providers:
            if provider.id == provider_id:
                return provider.find_model(model, all_providers=self._providers)
        return None


def load_catalog() -> BundledCatalog:
    """Import the price list. Blocks for about 0.2 s: call it on a thread, or before serving."""
    # Not at the top: 30,000 lines of prices, which a process with prices of its own need not load.
    with _bare(_LIST):
        return BundledCatalog(importlib.import_module(f"{_LIST}.data").providers)


@contextmanager
def _bare(name: str) -> Generator[None, None, None]:
    """Import modules of a package, and not what the package itself imports for others."""
    if name in sys.modules or (spec := importlib.util.find_spec(name)) is None:
        yield
        return
    package = ModuleType(name)
    package.__path__ = list(spec.submodule_search_locations or ())
    sys.modules[name] = package
    try:
        yield
    finally:
        # Whoever imports it from here on gets all of it.
        if sys.modules.get(name) is package:
            del sys.modules[name]


def _plain_address(base_url: str) -> str:
    """Scheme, host and path without credentials or case, so that a look-alike address cannot pass for the real one."""
    try:
        parts = urlsplit(base_url)
    except ValueError:
        return ""
    # A sidecar may add TLS itself, so http counts as https.
    return f"https://{parts.hostname}{parts.path}" if parts.hostname else ""


def _whole(matched: str, address: str) -> bool:
    return len(matched) == len(address) or matched[-1] in _BOUNDARY or address[len(matched)] == "/"


def _listed(prices: ModelPrice | list[ConditionalPrice]) -> Iterator[ListedPrice]:
    if not isinstance(prices, list):
        yield ListedPrice(None, None, _steps(prices))
        return
    for entry in prices:
        start = getattr(entry.constraint, "start_time", None)
        end = getattr(entry.constraint, "end_time", None)
        daily = None if start is None or end is None else (_utc_second(start), _utc_second(end))
        yield ListedPrice(getattr(entry.constraint, "start_date", None), daily, _steps(entry.prices))


def _steps(prices: ModelPrice) -> dict[str, tuple[tuple[int, Decimal], ...]]:
    usd: dict[str, tuple[tuple[int, Decimal], ...]] = {}
    stored: dict[str, Decimal | TieredPrices | None] = vars(prices)
    for unit, price in stored.items():
        if isinstance(price, Decimal):
            usd[unit] = ((-1, price),)
        elif price is not None:
            usd[unit] = ((-1, price.base), *((tier.start, tier.price) for tier in price.tiers))
    return usd


def _utc_second(moment: time) -> int:
    if moment.tzinfo is not None:
        moment = datetime.combine(date(1970, 1, 1), moment).astimezone(UTC).time()
    return moment.hour * 3600 + moment.minute * 60 + moment.second
