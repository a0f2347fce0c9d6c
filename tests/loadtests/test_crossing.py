from __future__ import annotations

import pytest

from gateway.wire.bridge import CODECS
from loadtests.crossing import CHUNKS, cost_us, provider_stream


@pytest.mark.parametrize("client", CODECS)
def test_every_dialect_can_be_measured(client: str) -> None:
    pieces = provider_stream()
    assert len(pieces) == CHUNKS + 3
    assert cost_us(client, pieces[:20] + pieces[-2:]) > 0
