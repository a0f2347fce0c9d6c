from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from openai import OpenAI

from tests.support.gateway_process import GatewayProcess

Connect = Callable[..., OpenAI]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Make official clients, unmodified but for the address, that are closed after the test."""
    made: list[OpenAI] = []

    def client(gateway: GatewayProcess, api_key: str = "sk-client-credential", **options) -> OpenAI:
        made.append(OpenAI(base_url=gateway.base_url, api_key=api_key, max_retries=0, timeout=60, **options))
        return made[-1]

    yield client
    for each in made:
        each.close()
