"""Every failure the gateway declares, in one tree.

::

    GatewayError                 code, status, blame, retryable, retry_after_s, public_message
    ├── ClientError              blame=client: MalformedRequest 400 · UnsupportedField 400 · ThreadUnsupported 400
    │                            · AuthenticationFailed 401 · PermissionDenied 403 · ModelNotFound 404
    │                            · RouteNotFound 404 · StoredNotFound 404 · PreviousNotFound 400
    │                            · MethodNotAllowed 405 · RequestTimeout 408 · KeyChanged 409 · RequestTooLarge 413
    │                            · HeadersTooLarge 431 · RateLimited 429 · BudgetExceeded 429 · Blocked 400
    │                            · ClientGone 499 · PackageMissing 400
    ├── ProviderError            blame=provider: ConnectFailed · ConnectTimeout · FirstTokenTimeout · IdleTimeout
    │                            · TotalTimeout · Overloaded · InvalidAnswer · StreamBroken · StreamFailed
    │                            · ProviderAnswered
    └── GatewayFault             blame=gateway: Misconfigured · NotAvailable · StoreUnavailable · StoreRejected
                                 · ModelFailed · Draining · Bug

Only ``public_message`` may reach a client, in the client's own dialect. Routing decides on ``retryable`` and ``blame``,
never on text. An exception that is not in this tree is a bug and becomes :class:`Bug` at the listener's edge.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from gateway.core.limit_state import Allowance

Blame = Literal["client", "provider", "gateway"]


class GatewayError(Exception):
    """A declared failure.

    Args:
        public_message: The only text that may leave the process. Never holds matched text or a secret.
        param: The request field at fault, as a dotted path, when there is one.
        retry_after_s: Seconds after which another try makes sense, when known.
    """

    code: str = "internal_error"
    status: int = 500
    blame: ClassVar[Blame] = "gateway"
    retryable: bool = False
    # The OpenAI error "type"; other dialects map from the status.
    kind: str = "api_error"

    def __init__(self, public_message: str, *, param: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(public_message)
        self.public_message = public_message
        self.param = param
        self.retry_after_s = retry_after_s
        # What a stream reader had ready for the client when it raised this: sent before the error's own event.
        self.released = b""
        # The number of the event that tells of it, in dialects that number them.
        self.event_number = 0


class ClientError(GatewayError):
    """The request is at fault; the same request will fail again."""

    code = "invalid_request"
    status = 400
    blame = "client"
    kind = "invalid_request_error"
    # Of who asked, where limits of ours have refused it.
    allowance: Allowance | None = None


class MalformedRequest(ClientError):
    """The bytes are not a request of this dialect."""


class UnsupportedField(ClientError):
    """A field that the chosen provider cannot carry."""

    code = "unsupported_field"


class PackageMissing(ClientError):
    """What is asked for needs a package that is no part of the product, and is not there."""

    code = "package_missing"


class ThreadUnsupported(ClientError):
    """The provider that was to hold the conversation cannot; a client that has the whole of it sends that instead."""

    # Anthropic's clients know it by this name, and go on without a thread.
    code = "thread_unsupported_request"


class AuthenticationFailed(ClientError):
    """No caller could be made out."""

    code = "invalid_api_key"
    status = 401


class PermissionDenied(ClientError):
    """The caller is known and may not do this."""

    code = "permission_denied"
    status = 403


class ModelNotFound(ClientError):
    """No alias and no provider serves this model name."""

    code = "model_not_found"
    status = 404


class RouteNotFound(ClientError):
    """No such path."""

    code = "not_found"
    status = 404


class StoredNotFound(ClientError):
    """No answer of this name is kept for this caller, whatever others may have."""

    code = "not_found"
    status = 404


class PreviousNotFound(ClientError):
    """The answer that a request goes on from is not kept for this caller, or not by who serves the model."""

    code = "previous_response_not_found"


class MethodNotAllowed(ClientError):
    """The path exists, the method does not."""

    code = "method_not_allowed"
    status = 405


class KeyChanged(ClientError):
    """Somebody else has changed the key meanwhile; whoever looks again may try again."""

    code = "conflict"
    status = 409


class RequestTimeout(ClientError):
    """Headers or body did not arrive in time."""

    code = "request_timeout"
    status = 408


class RequestTooLarge(ClientError):
    """The body is larger than ``listen.max_body_bytes``."""

    code = "request_too_large"
    status = 413


class HeadersTooLarge(ClientError):
    """Too many header fields, or too many bytes in them."""

    code = "headers_too_large"
    status = 431


class RateLimited(ClientError):
    """A limit of ours is used up for now."""

    code = "rate_limited"
    status = 429
    retryable = True
    kind = "rate_limit_error"


class BudgetExceeded(ClientError):
    """A budget of ours is used up."""

    code = "budget_exceeded"
    status = 429
    kind = "insufficient_quota"


class Blocked(ClientError):
    """A policy rule turned the call back.

    Args:
        rule: The id of the rule. It is public; the matched text never is.
    """

    code = "policy_blocked"

    def __init__(self, rule: str) -> None:
        super().__init__(f"Blocked by policy rule '{rule}'.")
        self.rule = rule


class ClientGone(ClientError):
    """The client closed its connection before the answer was whole. Recorded, never sent."""

    code = "client_closed"
    status = 499


class ProviderError(GatewayError):
    """The provider failed or could not be reached."""

    code = "upstream_error"
    status = 502
    blame = "provider"
    retryable = True


class ConnectFailed(ProviderError):
    """No connection to the provider."""


class ConnectTimeout(ProviderError):
    """The connection was not made in time."""

    code = "upstream_timeout"
    status = 504


class FirstTokenTimeout(ProviderError):
    """The provider was silent until the first byte of its answer fell due."""

    code = "upstream_timeout"
    status = 504


class IdleTimeout(ProviderError):
    """The provider fell silent in the middle of an answer."""

    code = "upstream_timeout"
    status = 504


class TotalTimeout(ProviderError):
    """The whole call took longer than it may."""

    code = "upstream_timeout"
    status = 504
    retryable = False


class Overloaded(ProviderError):
    """The provider, or our queue in front of it, takes no more."""

    code = "upstream_overloaded"
    status = 503


class InvalidAnswer(ProviderError):
    """The provider's answer breaks HTTP or its own dialect."""

    retryable = False


class StreamBroken(ProviderError):
    """A stream ended before it was whole."""

    retryable = False


# OpenAI's "type" by status; what is not here is the caller's fault below 500 and the provider's from there on.
_KINDS = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class StreamFailed(ProviderError):
    """The provider reported an error inside a stream.

    Args:
        status: The HTTP status that the error stands for; used when nothing has been sent yet.
        detail: The provider's own error object, for the client, when it came in the client's dialect.
    """

    retryable = False

    def __init__(self, public_message: str, *, status: int = 502, detail: bytes | None = None) -> None:
        super().__init__(public_message)
        self.status = status
        self.kind = _KINDS.get(status, self.kind)
        self.detail = detail


class ProviderAnswered(ProviderError):
    """The provider answered with an error of its own; what a codec's ``read_error`` makes of it.

    Args:
        status: Of the answer.
        code: The provider's own word for it (``context_length_exceeded``), when it has one.
    """

    def __init__(
        self,
        public_message: str,
        *,
        status: int = 502,
        code: str = "",
        param: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(public_message, param=param, retry_after_s=retry_after_s)
        self.status = status
        self.code = code or ProviderError.code
        self.retryable = status >= 500 or status in {408, 409, 429}
        self.kind = _KINDS.get(status, "invalid_request_error" if status < 500 else "server_error")


class GatewayFault(GatewayError):
    """We are at fault."""


class Misconfigured(GatewayFault):
    """The configuration cannot work."""

    code = "misconfigured"


class NotAvailable(GatewayFault):
    """The feature is named in the contract and is not built yet; refused, never ignored."""

    code = "not_yet_available"
    status = 501


class StoreUnavailable(GatewayFault):
    """A store that the call needs does not answer."""

    code = "store_unavailable"
    status = 503
    retryable = True


class StoreRejected(GatewayFault):
    """A store answered and will not take this data or this statement; the same again will fail again.

    Args:
        engine_code: The store's own number for the reason, 0 when it gave none.
    """

    code = "store_rejected"
    status = 400

    def __init__(self, public_message: str, *, engine_code: int = 0) -> None:
        super().__init__(public_message)
        self.engine_code = engine_code


class ModelFailed(GatewayFault):
    """A model that a guard needs is missing, is not the one that was built, took too long, or broke down."""

    code = "model_failed"
    status = 503


class Draining(GatewayFault):
    """The process is going away; another replica will take the call."""

    code = "draining"
    status = 503
    retryable = True

    def __init__(self) -> None:
        super().__init__("The gateway is draining; send the call to another replica.", retry_after_s=1)


class Bug(GatewayFault):
    """An exception nobody declared. The client learns the exchange id and nothing else."""
