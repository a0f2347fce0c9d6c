"""How much energy answers may have taken, as the package ``ecologits`` estimates it, where its user has installed it.

It is under a licence that nothing of the product may depend on: it is in no list of ours, and imported when somebody
asks. Its plain function is called; nothing that patches clients is.
"""

from __future__ import annotations

import importlib
import logging
import math
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from gateway.core.errors import MalformedRequest, PackageMissing

# Exact names only: a server of one's own is no data centre of a vendor's, whatever it speaks.
_PROVIDERS = {
    "anthropic": "anthropic",
    "azure": "openai",
    "azure-openai": "openai",
    "azure_openai": "openai",
    "cohere": "cohere",
    "gemini": "google_genai",
    "google": "google_genai",
    "huggingface": "huggingface_hub",
    "mistral": "mistralai",
    "mistralai": "mistralai",
    "openai": "openai",
    "vertex": "google_genai",
}
_SOME_TOKENS, _MORE_TOKENS = 1_000, 100_000
_GRAMS = 1_000.0


class Energy(msgspec.Struct, frozen=True, kw_only=True):
    """A range of an estimate: the data centre's electricity; greenhouse gases, those of making machines included."""

    kwh_low: float = 0.0
    kwh_high: float = 0.0
    gco2e_low: float = 0.0
    gco2e_high: float = 0.0

    def plus(self, other: Energy, times: float = 1.0) -> Energy:
        """Add another, so many times."""
        return Energy(
            kwh_low=self.kwh_low + times * other.kwh_low,
            kwh_high=self.kwh_high + times * other.kwh_high,
            gco2e_low=self.gco2e_low + times * other.gco2e_low,
            gco2e_high=self.gco2e_high + times * other.gco2e_high,
        )


class EnergySource(Protocol):
    """Who estimates."""

    @property
    def name(self) -> str:
        """Who it is, and at which version."""
        ...

    def estimate(self, provider: str, model: str, calls: int, output_tokens: int) -> Energy | None:
        """What so many calls took that wrote so much together; ``None`` where nobody knows the model."""
        ...


class Ecologits:
    """Asks the package. What it says of a model grows evenly with the tokens, so that it is asked once for each.

    A call is taken to last as long as the package knows the model to: what was measured here has the network in it.

    Args:
        zone: ISO 3166-1 alpha-3 code of the country whose electricity it is; empty for the provider's.

    Raises:
        PackageMissing: It is not installed, or is another version than those whose function we know.
        MalformedRequest: It knows no such zone.
    """

    def __init__(self, zone: str = "") -> None:
        self._zone = zone or None
        package, tracers = _imported("ecologits"), _imported("ecologits.tracers.utils")
        self.name = f"ecologits {getattr(package, '__version__', '')}".strip()
        self._impacts: Callable[..., Any] = _of(tracers, "llm_impacts")
        self._find: Callable[..., Any] = _of(_of(tracers, "models"), "find_model")
        if zone and _of(_of(tracers, "electricity_mixes"), "find_electricity_mix")(zone=zone) is None:
            raise MalformedRequest(
                "'energy_zone' must be a country that ecologits knows, such as FRA.", param="energy_zone"
            )
        self._known: dict[tuple[str, str], tuple[Energy, Energy] | None] = {}

    def estimate(self, provider: str, model: str, calls: int, output_tokens: int) -> Energy | None:
        """What so many calls took that wrote so much together; ``None`` where the package does not know the model."""
        asked = provider, model
        if asked not in self._known:
            self._known[asked] = self._look_up(_PROVIDERS.get(provider.lower(), ""), model)
        found = self._known[asked]
        if found is None:
            return None
        call, token = found
        return Energy().plus(call, calls).plus(token, output_tokens)

    def _look_up(self, provider: str, model: str) -> tuple[Energy, Energy] | None:
        """What a call takes, and what each of its tokens does on top."""
        # Names that it does not know would be kept for its log, and they are the callers'.
        if not provider or self._find(provider=provider, model_name=model) is None:
            return None
        call = self._asked(provider, model, 0)
        token = Energy().plus(self._asked(provider, model, _SOME_TOKENS).plus(call, -1), 1 / _SOME_TOKENS)
        more = self._asked(provider, model, _MORE_TOKENS)
        if not math.isclose(more.kwh_high, call.plus(token, _MORE_TOKENS).kwh_high, rel_tol=1e-6):
            raise _unfit()
        return call, token

    def _asked(self, provider: str, model: str, tokens: int) -> Energy:
        try:
            found = self._impacts(provider, model, tokens, math.inf, self._zone)
            kwh, kg = _range(found.energy), _range(found.gwp)
        except (AttributeError, LookupError, TypeError, ValueError):
            raise _unfit() from None
        return Energy(kwh_low=kwh[0], kwh_high=kwh[1], gco2e_low=kg[0] * _GRAMS, gco2e_high=kg[1] * _GRAMS)


def _range(impact: Any) -> tuple[float, float]:
    value = impact.value
    low, high = float(getattr(value, "min", value)), float(getattr(value, "max", value))
    return min(low, high), max(low, high)


def _imported(name: str) -> Any:
    kind = logging.getLoggerClass()
    try:
        return importlib.import_module(name)
    except ImportError:
        raise PackageMissing(
            "Energy is estimated by the package ecologits, which is no part of Weighbridge (its licence is MPL-2.0) "
            "and is not installed where the operator runs: pip install ecologits",
            param="energy",
        ) from None
    finally:
        # It makes every later logger one of its own, and warns of every model whose size is not published.
        logging.setLoggerClass(kind)
        logging.getLogger("ecologits").setLevel(logging.ERROR)


def _of(owner: Any, name: str) -> Any:
    found = getattr(owner, name, None)
    if found is None:
        raise _unfit()
    return found


def _unfit() -> PackageMissing:
    return PackageMissing("The installed ecologits does not answer as version 0.11 does.", param="energy")
