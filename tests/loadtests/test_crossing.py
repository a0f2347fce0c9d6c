from __future__ import annotations

import pytest

from gateway.wire.bridge import CODECS
from loadtests.crossing import CLIENTS, cost_us, provider_stream


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("provider", CODECS)
def test_every_dialect_can_be_measured_before_every_provider(provider: str, client: str) -> None:
    pieces = provider_stream(provider, 20)
    assert sum(b"word" in each for each in pieces) >= 20
    assert cost_us(provider, client, pieces) > 0
