from __future__ import annotations

import subprocess
import sys
from datetime import date, time, timedelta, timezone
from decimal import Decimal

import pytest
from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
    Tier,
    TieredPrices,
    TimeOfDateConstraint,
)

from gateway.clients.price_catalog import BundledCatalog, ListedPrice, load_catalog

CATALOG = load_catalog()


@pytest.mark.parametrize(
    ("name", "base_url", "known"),
    [
        ("openai", "https://api.openai.com/v1", "openai"),
        ("upstream", "https://api.openai.com/v1", "openai"),
        ("upstream", "https://API.OpenAI.com:443/v1", "openai"),
        ("upstream", "http://api.openai.com/v1", "openai"),
        ("upstream", "https://api.moonshot.cn/v1", "moonshotai"),
        ("upstream", "https://my-account.openai.azure.com/openai", "azure"),
        ("upstream", "https://generativelanguage.googleapis.com/v1beta/openai", "google"),
        ("upstream", "https://router.huggingface.co/groq/v1", "huggingface_groq"),
        # The address says more than the name.
        ("openai", "https://api.groq.com/openai/v1", "groq"),
        ("mistral", "http://127.0.0.1:9000/v1", "mistral"),
        ("X-AI", "", "x-ai"),
        ("xai", "", "x-ai"),
        ("together", "", "together"),
        ("gemini", "", "google"),
        # Servers of one's own, whatever they look like.
        ("vllm-a", "http://vllm-a:8000/v1", ""),
        ("my-openai", "http://10.0.0.1/v1", ""),
        ("upstream", "https://api.openai.com.internal.example/v1", ""),
        ("upstream", "https://api.openai.comet.example/v1", ""),
        ("upstream", "https://api.openai.com@evil.example/v1", ""),
        ("upstream", "https://mistral.example/v1", ""),
        ("upstream", "http://[broken", ""),
        ("", "", ""),
    ],
)
def test_a_provider_is_known_by_its_address_or_its_exact_name(name: str, base_url: str, known: str):
    assert CATALOG.provider_id(name, base_url) == known


def test_a_model_s_dated_name_is_found_and_an_unknown_one_is_not():
    assert CATALOG.listed("openai", "gpt-4o-mini-2024-07-18") == CATALOG.listed("openai", "gpt-4o-mini") != ()
    assert CATALOG.listed("openai", "no-such-model") == ()
    assert CATALOG.listed("no-such-provider", "gpt-4o-mini") == ()


def test_conditions_and_steps_are_carried_over():
    # A time without a zone is in UTC, as the list has it.
    noon = time(12, 30, tzinfo=timezone(timedelta(hours=2)))
    prices = [
        ConditionalPrice(prices=ModelPrice(input_mtok=Decimal(3), output_mtok=None)),
        ConditionalPrice(StartDateConstraint(date(2026, 1, 1)), prices=ModelPrice(input_mtok=Decimal(2))),
        ConditionalPrice(
            TimeOfDateConstraint(noon, time(16, 0, 1)),
            prices=ModelPrice(input_mtok=TieredPrices(Decimal(1), [Tier(200_000, Decimal(4))])),
        ),
    ]
    model = ModelInfo(id="m", match=ClauseEquals("m"), prices=prices)
    catalog = BundledCatalog([Provider(id="p", name="P", api_pattern="https://p", models=[model])])
    assert catalog.listed("p", "m") == (
        ListedPrice(None, None, {"input_mtok": ((-1, Decimal(3)),)}),
        ListedPrice(date(2026, 1, 1), None, {"input_mtok": ((-1, Decimal(2)),)}),
        ListedPrice(None, (37_800, 57_601), {"input_mtok": ((-1, Decimal(1)), (200_000, Decimal(4)))}),
    )


def test_what_would_fetch_newer_prices_is_not_loaded() -> None:
    program = """if True:
        import sys
        from gateway.clients.price_catalog import load_catalog
        load_catalog()
        print(sorted(name for name in sys.modules if name.startswith(("httpx", "genai_prices"))))
        import genai_prices
        print(genai_prices.calc_price(genai_prices.Usage(input_tokens=1_000_000), "gpt-4o").total_price > 0)
    """
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    assert "httpx" not in said[0]
    assert "'genai_prices.data'" in said[0]
    # A plugin that imports it later has all of it.
    assert said[1] == "True"
