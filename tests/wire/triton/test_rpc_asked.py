"""What is asked by gRPC, as paths."""

from __future__ import annotations

import pytest

from gateway.wire.triton.rpc_asked import Named, Refused


@pytest.mark.parametrize(
    ("named", "method", "path"),
    [
        (Named("m", ""), "infer", "/v2/models/m/infer"),
        (Named("a/b", "2"), "", "/v2/models/a%2Fb/versions/2"),
        (Named("m", "../x"), "ready", "/v2/models/m/versions/..%2Fx/ready"),
    ],
)
def test_a_name_is_one_step_of_its_path(named: Named, method: str, path: str) -> None:
    assert named.path(method) == path


def test_a_refusal_says_why() -> None:
    refused = Refused(404, "No such model.")
    assert (refused.status, str(refused)) == (404, "No such model.")
