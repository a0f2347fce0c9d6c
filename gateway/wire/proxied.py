"""What Envoy and its kin say around a call that they try again by themselves: two who do so would multiply each other.

https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter: with
``include_request_attempt_count`` each try has a number. Whoever writes it as a client only gets fewer tries.
"""

from __future__ import annotations

from gateway.core.call import Call
from gateway.core.exchange import Headers

ATTEMPT_COUNT = b"x-envoy-attempt-count"
# The one header that keeps a proxy from another try, whatever its policy says of the status.
_NO_MORE = b"x-envoy-ratelimited: true\r\n"


def is_repeated(headers: Headers) -> bool:
    """Whether a request is a proxy's second try, or a later one."""
    count = headers.get(ATTEMPT_COUNT)
    return count is not None and count.isdigit() and len(count) < 10 and int(count) > 1


def last_word(call: Call) -> bytes:
    """Give the header line that keeps a proxy from trying a failed call again, where that is our task and was done."""
    tried = call.trip is not None and call.trip.made > 0
    return _NO_MORE if tried and ATTEMPT_COUNT in call.incoming.headers else b""
