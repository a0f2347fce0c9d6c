from __future__ import annotations

import importlib
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal

import genai_prices
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accounting.prices import PriceBook
from gateway.clients.price_catalog import ListedPrice, load_catalog
from gateway.core.exchange import Deployment
from gateway.core.prices import ContextTier, PriceRow, ServiceTier
from gateway.core.usage import Price, Usage, set_apart

CATALOG = load_catalog()
# By name, as the product takes it: a type checker needs minutes for so large a literal.
PROVIDERS = importlib.import_module("genai_prices.data").providers
AT_US = 1_790_000_000_000_000
TOKENS = Usage(input_fresh_tokens=1_000_000)


def book(*rows: PriceRow, **options) -> PriceBook:
    return PriceBook(rows, load=lambda: CATALOG, **options)


def deployment(provider: str = "openai", base_url: str = "http://127.0.0.1:1/v1", **fields) -> Deployment:
    return Deployment(
        **{"provider": provider, "kind": "openai", "model": "", "base_url": base_url, "credential": None, **fields}
    )


def row(model: str, dollars: float, since: date | None = None, provider: str = "openai") -> PriceRow:
    return PriceRow(provider=provider, model=model, input_usd_mtok=dollars, valid_from=since)


def day_us(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp()) * 1_000_000


def test_transparent_mode_to_openai_is_priced_and_to_a_server_of_one_s_own_is_not():
    usage = Usage(input_fresh_tokens=100, cache_read_tokens=7, output_text_tokens=20)
    openai = deployment("upstream", "https://api.openai.com/v1")
    assert book().cost_nanousd(openai, usage, AT_US, model="gpt-4o-mini") == 100 * 150 + 7 * 75 + 20 * 600
    own = deployment("upstream", "http://10.0.0.7:8000/v1")
    assert book().cost_nanousd(own, usage, AT_US, model="gpt-4o-mini") is None
    assert book().price(own, AT_US, model="gpt-4o-mini") is None


def test_an_unknown_model_of_a_known_provider_has_no_price():
    assert book().cost_nanousd(deployment(), TOKENS, AT_US, model="no-such-model") is None
    assert book().cost_nanousd(deployment(), TOKENS, AT_US, model="") is None
    assert book().cost_nanousd(deployment(), TOKENS, AT_US, model="gpt-4o" * 1000) is None


def test_the_deployment_s_model_is_priced_and_not_the_client_s_name_for_it():
    priced = book().cost_nanousd(deployment(model="gpt-4o-mini"), TOKENS, AT_US, model="gpt-4o")
    assert priced == 150_000_000


def test_the_name_that_was_served_is_more_exact_and_an_unknown_one_is_passed_over():
    asked = book().cost_nanousd(deployment(), TOKENS, AT_US, model="gpt-4o")
    assert book().cost_nanousd(deployment(), TOKENS, AT_US, model="gpt-4o", served="gpt-4o-mini") == 150_000_000
    assert book().cost_nanousd(deployment(), TOKENS, AT_US, model="gpt-4o", served="what-is-this") == asked


def test_the_simulator_costs_nothing():
    sim = deployment("sim", "", kind="sim")
    everything = Usage(input_fresh_tokens=5, audio_output_tokens=5, reasoning_tokens=5)
    assert book().cost_nanousd(sim, everything, AT_US, model="sim/echo") == 0


def test_what_is_sold_by_the_hour_is_unknown_even_without_tokens():
    assert book().cost_nanousd(deployment("groq"), Usage(), AT_US, model="whisper-large-v3") is None


def test_a_row_of_the_configuration_wins_from_its_day_on():
    prices = book(row("gpt-4o-mini", 2, date(2026, 6, 1)), row("gpt-4o-mini", 1, date(2026, 1, 1)))

    def at(year: int, month: int, day: int) -> int | None:
        return prices.cost_nanousd(deployment(), TOKENS, day_us(year, month, day), model="gpt-4o-mini")

    assert at(2025, 12, 31) == 150_000_000
    assert at(2026, 1, 1) == 1_000_000_000
    assert at(2026, 5, 31) == 1_000_000_000
    assert at(2026, 6, 1) == 2_000_000_000


def test_an_exact_row_outranks_a_glob_and_a_longer_glob_a_shorter():
    prices = book(
        row("llama-3-70b", 3, provider="vllm"), row("llama-3*", 2, provider="vllm"), row("*", 1, provider="vllm")
    )
    vllm = deployment("vllm")
    costs = [prices.cost_nanousd(vllm, TOKENS, AT_US, model=name) for name in ("llama-3-70b", "llama-3-8b", "qwen")]
    assert costs == [3_000_000_000, 2_000_000_000, 1_000_000_000]


def test_a_row_for_another_provider_does_not_apply():
    assert book(row("m", 1, provider="vllm-a")).cost_nanousd(deployment("vllm-b"), TOKENS, AT_US, model="m") is None


def test_a_row_for_a_listed_provider_applies_under_any_name_for_it():
    upstream = deployment("upstream", "https://api.openai.com/v1")
    assert book(row("gpt-4o", 9)).cost_nanousd(upstream, TOKENS, AT_US, model="gpt-4o") == 9_000_000_000


def test_a_row_is_found_by_the_served_name_when_none_has_the_asked_one():
    served = book(row("gpt-4o-2024", 9)).cost_nanousd(deployment(), TOKENS, AT_US, model="gpt-4o", served="gpt-4o-2024")
    assert served == 9_000_000_000


def test_a_bucket_without_a_price_in_its_row_is_unknown():
    prices = book(row("m", 1))
    assert prices.cost_nanousd(deployment(), Usage(output_text_tokens=1), AT_US, model="m") is None
    assert prices.cost_nanousd(deployment(), Usage(cache_read_tokens=1000), AT_US, model="m") == 1_000_000


def test_a_row_s_decimal_is_meant_as_written():
    prices = book(PriceRow(provider="openai", model="m", input_usd_mtok=0.1, output_usd_mtok=0.7, per_call_usd=0.01))
    usage = Usage(input_fresh_tokens=3_000_000, output_text_tokens=1_000_000)
    assert prices.cost_nanousd(deployment(), usage, AT_US, model="m") == 300_000_000 + 700_000_000 + 10_000_000


def test_a_price_on_the_deployment_wins():
    fixed = deployment(price=Price(input_nanousd=7.0))
    assert book(row("*", 1)).cost_nanousd(fixed, TOKENS, AT_US, model="gpt-4o") == 7_000_000
    assert book().price(fixed, AT_US) == Price(input_nanousd=7.0)


def test_long_input_reaches_the_dearer_step():
    steps = {"input_mtok": ((-1, Decimal(1)), (200_000, Decimal(2))), "output_mtok": ((-1, Decimal(5)),)}

    class Listed:
        def provider_id(self, name: str, base_url: str) -> str:
            return name

        def listed(self, provider_id: str, model: str) -> tuple[ListedPrice, ...]:
            return (ListedPrice(None, None, steps),)

        def context_window(self, provider_id: str, model: str) -> int:
            return 0

    prices = PriceBook(load=Listed)
    short = Usage(input_fresh_tokens=100_000, cache_read_tokens=100_000, output_text_tokens=10)
    long = Usage(input_fresh_tokens=100_001, cache_read_tokens=100_000, output_text_tokens=10)
    assert prices.cost_nanousd(deployment(), short, AT_US, model="m") == 200_000_000 + 50_000
    assert prices.cost_nanousd(deployment(), long, AT_US, model="m") == 400_002_000 + 50_000
    dear = prices.price(deployment(), AT_US, model="m", input_tokens=200_001)
    assert dear is not None
    assert (dear.input_nanousd, dear.output_nanousd) == (2000.0, 5000.0)


def test_the_public_list_is_loaded_once_and_only_on_need():
    loads = []

    def load():
        loads.append(1)
        return CATALOG

    prices = PriceBook(load=load)
    assert not loads
    prices.cost_nanousd(deployment("sim", kind="sim"), TOKENS, AT_US)
    assert not loads
    prices.warm()
    prices.cost_nanousd(deployment(), TOKENS, AT_US, model="gpt-4o")
    prices.warm()
    assert loads == [1]


def test_invented_names_do_not_grow_memory():
    prices = book(memo_size=16)
    for number in range(60):
        prices.cost_nanousd(deployment("vllm"), TOKENS, AT_US, model=f"m{number}")
    prices.cost_nanousd(deployment("vllm"), TOKENS, AT_US, model="m" * 100_000)
    assert len(prices._memo) == 16


LISTED = [
    (provider.id, model.id)
    for provider in PROVIDERS
    for model in provider.models
    if provider.find_model(model.id) is model
]


@given(
    st.sampled_from(LISTED),
    st.tuples(*[st.integers(0, 600_000)] * 4),
    st.integers(1_704_067_200, 1_798_761_600).map(lambda second: datetime.fromtimestamp(second, UTC)),
)
def test_costs_are_those_of_the_list_s_own_calculation(
    listed: tuple[str, str], tokens: tuple[int, int, int, int], at: datetime
):
    provider, model = listed
    fresh, read, write, output = tokens
    theirs = genai_prices.calc_price(
        genai_prices.Usage(
            input_tokens=fresh + read + write, cache_read_tokens=read, cache_write_tokens=write, output_tokens=output
        ),
        model,
        provider_id=provider,
        genai_request_timestamp=at,
    )
    usage = Usage(input_fresh_tokens=fresh, cache_read_tokens=read, cache_write_tokens=write, output_text_tokens=output)
    at_us = int(at.timestamp()) * 1_000_000
    ours = PRICES.cost_nanousd(deployment(provider), usage, at_us, model=model)
    if ours is not None:
        assert ours == int((theirs.total_price * 1_000_000_000).to_integral_value(ROUND_HALF_EVEN))
    else:
        # Theirs counts a bucket without a price as free; ours says that the cost is not known.
        stored = vars(theirs.model_price)
        assert stored.get("input_mtok") is None or (output and stored.get("output_mtok") is None)


PRICES = book(memo_size=100_000)


@pytest.mark.parametrize("model", ["gpt-4o-mini", "gpt-4o", "o3", "text-embedding-3-small"])
def test_openai_s_common_models_have_prices(model: str):
    assert (PRICES.cost_nanousd(deployment(), TOKENS, AT_US, model=model) or 0) > 0


def test_context_windows_are_those_of_the_public_list():
    known = book()
    at_openai = deployment(provider="openai", model="gpt-4o-mini", base_url="https://api.openai.com/v1")
    assert known.context_window(at_openai) == 128_000
    # The same name on a server of one's own says nothing.
    assert known.context_window(deployment(provider="mine", model="gpt-4o-mini", base_url="http://mine/v1")) == 0
    assert known.context_window(msgspec.structs.replace(at_openai, model="")) == 0
    assert known.context_window(msgspec.structs.replace(at_openai, model="no-such-model")) == 0
    assert known.context_window(msgspec.structs.replace(at_openai, kind="sim")) == 0


def test_a_long_input_takes_the_whole_call_to_the_price_of_its_tier():
    tier = ContextTier(above=200, input_usd_mtok=4.0)
    prices = book(PriceRow(provider="p", model="m", input_usd_mtok=2.0, output_usd_mtok=8.0, tiers=(tier,)))
    for tokens, dollars in ((200, 2), (201, 4)):
        usage = Usage(input_fresh_tokens=tokens, output_text_tokens=10)
        assert prices.cost_nanousd(deployment("p"), usage, AT_US, model="m") == tokens * dollars * 1000 + 10 * 8000


def test_a_service_tier_costs_what_its_row_says_else_nobody_knows():
    flex = ServiceTier(name="flex", input_usd_mtok=1.0, tiers=(ContextTier(above=5, input_usd_mtok=3.0),))
    prices = book(PriceRow(provider="openai", model="gpt-4o", input_usd_mtok=2.0, service_tiers=(flex,)))

    def cost(book_: PriceBook, tier: str, tokens: int = 5) -> int | None:
        usage = set_apart(Usage(input_fresh_tokens=tokens), tier)
        assert usage is not None
        return book_.cost_nanousd(deployment(), usage, AT_US, model="gpt-4o")

    assert cost(prices, "default") == 10_000
    assert cost(prices, "flex") == 5000
    assert cost(prices, "flex", 6) == 18_000
    assert cost(prices, "priority") is None
    assert cost(book(), "flex") is None
    assert cost(book(), "default") == 12_500
