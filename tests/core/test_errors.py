"""The tree of failures: what its docstring promises, class by class."""

from __future__ import annotations

import inspect
import re

import pytest

from gateway.core import errors
from gateway.core.errors import (
    Blocked,
    BudgetExceeded,
    Bug,
    ClientError,
    Draining,
    GatewayError,
    GatewayFault,
    ProviderAnswered,
    ProviderError,
    RateLimited,
    StoreRejected,
    StreamFailed,
)

DOC = inspect.getdoc(errors) or ""
CLASSES: list[type[GatewayError]] = [
    each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, GatewayError)
]
ROOTS = [GatewayError, ClientError, ProviderError, GatewayFault]
LEAVES = [each for each in CLASSES if each not in ROOTS]
# code, status, blame, retryable: what records, routers and clients rely on.
TABLE = {
    "MalformedRequest": ("invalid_request", 400, "client", False),
    "PackageMissing": ("package_missing", 400, "client", False),
    "UnsupportedField": ("unsupported_field", 400, "client", False),
    "ThreadUnsupported": ("thread_unsupported_request", 400, "client", False),
    "AuthenticationFailed": ("invalid_api_key", 401, "client", False),
    "PermissionDenied": ("permission_denied", 403, "client", False),
    "ModelNotFound": ("model_not_found", 404, "client", False),
    "RouteNotFound": ("not_found", 404, "client", False),
    "StoredNotFound": ("not_found", 404, "client", False),
    "PreviousNotFound": ("previous_response_not_found", 400, "client", False),
    "MethodNotAllowed": ("method_not_allowed", 405, "client", False),
    "KeyChanged": ("conflict", 409, "client", False),
    "RequestTimeout": ("request_timeout", 408, "client", False),
    "RequestTooLarge": ("request_too_large", 413, "client", False),
    "HeadersTooLarge": ("headers_too_large", 431, "client", False),
    "RateLimited": ("rate_limited", 429, "client", True),
    "BudgetExceeded": ("budget_exceeded", 429, "client", False),
    "Blocked": ("policy_blocked", 400, "client", False),
    "ClientGone": ("client_closed", 499, "client", False),
    "ConnectFailed": ("upstream_error", 502, "provider", True),
    "ConnectTimeout": ("upstream_timeout", 504, "provider", True),
    "FirstTokenTimeout": ("upstream_timeout", 504, "provider", True),
    "IdleTimeout": ("upstream_timeout", 504, "provider", True),
    "TotalTimeout": ("upstream_timeout", 504, "provider", False),
    "Overloaded": ("upstream_overloaded", 503, "provider", True),
    "InvalidAnswer": ("upstream_error", 502, "provider", False),
    "StreamBroken": ("upstream_error", 502, "provider", False),
    "StreamFailed": ("upstream_error", 502, "provider", False),
    "ProviderAnswered": ("upstream_error", 502, "provider", True),
    "Misconfigured": ("misconfigured", 500, "gateway", False),
    "NotAvailable": ("not_yet_available", 501, "gateway", False),
    "StoreUnavailable": ("store_unavailable", 503, "gateway", True),
    "StoreRejected": ("store_rejected", 400, "gateway", False),
    "ModelFailed": ("model_failed", 503, "gateway", False),
    "Draining": ("draining", 503, "gateway", True),
    "Bug": ("internal_error", 500, "gateway", False),
}


def make(kind: type[GatewayError]) -> GatewayError:
    return Draining() if kind is Draining else kind("what happened")


def drawn() -> dict[str, tuple[str, int | None]]:
    """The docstring's tree: each leaf with the blame of its branch, and its status where one is written."""
    found: dict[str, tuple[str, int | None]] = {}
    for branch in re.split(r"[├└]── ", DOC.partition("::")[2].partition("Only ")[0])[1:]:
        head = re.match(r"\w+\s+blame=(\w+):", branch)
        assert head is not None
        for name, status in re.findall(r"\b([A-Z]\w+)(?: (\d{3}))?", branch[head.end() :]):
            found[name] = (head[1], int(status) if status else None)
    return found


def test_the_tree_in_the_docstring_is_the_tree_in_the_code():
    shown = drawn()
    assert set(shown) == {leaf.__name__ for leaf in LEAVES}
    for leaf in LEAVES:
        blame, status = shown[leaf.__name__]
        assert leaf.blame == blame
        assert status in {None, leaf.status}
    assert all(shown[leaf.__name__][1] for leaf in LEAVES if issubclass(leaf, ClientError))


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_a_failure_has_the_code_status_and_blame_that_others_rely_on(leaf: type[GatewayError]):
    error = make(leaf)
    assert (error.code, error.status, error.blame, error.retryable) == TABLE[leaf.__name__]
    assert error.released == b""


def test_no_row_of_the_table_is_left_over():
    assert set(TABLE) == {leaf.__name__ for leaf in LEAVES}


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_every_leaf_is_public_documented_and_directly_below_its_branch(leaf: type[GatewayError]):
    assert not leaf.__name__.startswith("_")
    assert leaf.__doc__
    assert leaf.__base__ in {ClientError, ProviderError, GatewayFault}


def test_the_openai_type_tells_limits_from_bad_requests():
    kinds = {leaf.__name__: leaf.kind for leaf in LEAVES if leaf.kind not in {"invalid_request_error", "api_error"}}
    assert kinds == {RateLimited.__name__: "rate_limit_error", BudgetExceeded.__name__: "insufficient_quota"}
    assert all(leaf.kind == "api_error" for leaf in LEAVES if not issubclass(leaf, ClientError))


def test_an_error_keeps_what_it_was_given():
    error = RateLimited("Too many.", param="model", retry_after_s=1.5)
    assert (error.public_message, error.param, error.retry_after_s) == ("Too many.", "model", 1.5)
    assert str(error) == "Too many."


def test_a_block_names_its_rule_and_nothing_else():
    error = Blocked("no-keys")
    assert (error.rule, error.public_message) == ("no-keys", "Blocked by policy rule 'no-keys'.")


def test_a_failed_stream_takes_the_provider_s_status_without_changing_the_class():
    error = StreamFailed("Overloaded.", status=529, detail=b'{"a":1}')
    assert (error.status, error.detail) == (529, b'{"a":1}')
    assert (StreamFailed.status, StreamFailed("x").detail) == (502, None)


def test_a_draining_process_says_when_to_come_back_and_a_store_why_it_refused():
    assert Draining().retry_after_s == 1
    assert StoreRejected("no", engine_code=60).engine_code == 60
    assert StoreRejected("no").engine_code == 0


def test_what_one_error_released_is_not_another_s():
    first, second = Bug("a"), Bug("b")
    first.released = b"data"
    assert second.released == b""


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (400, "invalid_request_error", False),
        (401, "authentication_error", False),
        (403, "permission_error", False),
        (404, "not_found_error", False),
        (408, "timeout_error", True),
        (409, "invalid_request_error", True),
        (413, "invalid_request_error", False),
        (422, "invalid_request_error", False),
        (429, "rate_limit_error", True),
        (500, "server_error", True),
        (503, "overloaded_error", True),
        (529, "overloaded_error", True),
    ],
)
def test_a_providers_own_error_is_known_by_its_status(status: int, kind: str, retryable: bool) -> None:
    error = ProviderAnswered("no", status=status, code="own_code", param="model", retry_after_s=2.5)
    assert (error.status, error.kind, error.retryable, error.code) == (status, kind, retryable, "own_code")
    assert (error.param, error.retry_after_s, error.blame) == ("model", 2.5, "provider")
    assert ProviderAnswered("no", status=status).code == "upstream_error"
