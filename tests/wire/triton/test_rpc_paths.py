from __future__ import annotations

import pytest

from gateway.core.errors import NotAvailable
from gateway.wire.triton.rpc_paths import RpcTarget, read_target, rpc_headers


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/v2/models/a%20b/generate", RpcTarget("generate", "a b", "")),
        ("/v2/models/m/versions/3/generate_stream?x=1", RpcTarget("generate_stream", "m", "3")),
        ("/v2/models/m/infer", RpcTarget("infer", "m", "")),
        ("/v2/models/m/ready", RpcTarget("ready", "m", "")),
        ("/v2/models/m", RpcTarget("", "m", "")),
    ],
)
def test_paths_of_calls(path: str, target: RpcTarget) -> None:
    assert read_target(path) == target


@pytest.mark.parametrize("path", ["/v2", "/v2/models/m/load", "/v2/models/m/n/infer", "/metrics"])
def test_paths_of_none(path: str) -> None:
    with pytest.raises(NotAvailable):
        read_target(path)


def test_only_what_means_something_goes_along() -> None:
    headers = {b"traceparent": b"t", b"cookie": b"c", b"authorization": b"client", b"host": b"h"}
    assert rpc_headers(headers, frozenset(), b"authorization: Bearer k\r\n") == {
        b"traceparent": b"t",
        b"authorization": b"Bearer k",
    }
    assert rpc_headers({b"inference-header-content-length": b"5"}, frozenset(), b"") == {
        b"inference-header-content-length": b"5"
    }
