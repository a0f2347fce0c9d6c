"""Header blocks for the provider and for the client, and the request headers that the gateway itself reads.

Hop-by-hop fields end here (RFC 9110 §7.6.1), nothing named ``x-weighbridge-*`` goes through in either direction, and a
value that could start a new line goes nowhere.
"""

from __future__ import annotations

import re

from gateway.core.errors import InvalidAnswer, MalformedRequest
from gateway.core.exchange import Headers, Labels
from gateway.wire.own_keys import kept, shown

MAX_SESSION_CHARS = 128
MAX_TAGS = 16
MAX_TAG_NAME_CHARS = 64
MAX_TAG_VALUE_CHARS = 256
# The specification wants as much to be passed on; what is longer is passed on, and not kept.
MAX_TRACE_STATE_CHARS = 512

_LABELS = frozenset((b"traceparent", b"x-weighbridge-policy", b"x-weighbridge-session", b"x-weighbridge-tags"))
# What proxies of a mesh tell each other is no affair of providers, nor of clients.
_PREFIXES = (b"x-weighbridge-", b"proxy-", b"x-envoy-")
_HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
# Some servers take the method or the path from here: what was looked at would not be what is done.
_OVERRIDES = frozenset(
    (
        b"x-http-method", b"x-http-method-override", b"x-method-override", b"x-original-method", b"x-original-url",
        b"x-rewrite-url",
    )
)  # fmt: skip
# host and accept-encoding are set anew; the transport frames the body itself and knows its length. Who called us from
# where, by which certificate, is no provider's affair.
_NOT_FORWARDED = (
    _HOP_BY_HOP
    | _OVERRIDES
    | {
        b"accept-encoding",
        b"content-length",
        b"expect",
        b"forwarded",
        b"host",
        b"http2-settings",
        b"x-forwarded-client-cert",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
        b"x-forwarded-uri",
        b"x-real-ip",
    }
)
# The caller's credentials in every form that a client of any provider sends.
_CREDENTIALS = frozenset(
    (
        b"api-key", b"authorization", b"cookie", b"x-api-key", b"x-goog-api-key",
        # Of a signature: what it is made with, and when.
        b"x-amz-content-sha256", b"x-amz-date", b"x-amz-security-token",
    )
)  # fmt: skip
_NOT_FORWARDED_NOR_CREDENTIALS = _NOT_FORWARDED | _CREDENTIALS
# Another origin advertised by the provider would lead clients past the gateway. The coding is the caller's: mostly
# the body was decoded to be read.
_NOT_ANSWERED = _HOP_BY_HOP | {b"alt-svc", b"content-encoding", b"content-length"}
_CROSS_TO_PROVIDER = (b"user-agent", b"traceparent", b"tracestate", b"baggage")
_CROSS_TO_CLIENT = frozenset((b"retry-after", b"retry-after-ms", b"x-should-retry", b"x-request-id", b"request-id"))
_RATE_LIMIT = b"ratelimit"
# Connection options that name no header field.
_PLAIN_CONNECTION = frozenset((b"keep-alive", b"close", b"Keep-Alive", b"Close", b""))

_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)


def forward_request_headers(
    headers: Headers, *, drop: frozenset[bytes], host: bytes, credential: bytes | None
) -> bytes:
    """Build the header block for the provider.

    Args:
        headers: As the client sent them.
        drop: Further names that stay here, lower-case: what carried the caller's credential for us.
        host: Authority of the provider.
        credential: Encoded lines that authenticate us, each ending in CRLF; they take the place of every credential
            of the caller's, and of every header that repeats it. ``None`` passes the caller's own on.

    Returns:
        Encoded lines, each ending in CRLF, without length and without the blank line.

    Raises:
        MalformedRequest: A header would break out of its line.
    """
    stays = _NOT_FORWARDED if credential is None else _NOT_FORWARDED_NOR_CREDENTIALS
    if drop:
        stays |= drop
    lines = _lines(headers, stays)
    if credential is not None:
        lines = kept(lines, shown(headers, drop))
    lines.append(b"accept-encoding: identity")
    lines.append(b"host: " + host)
    block = _block(lines)
    if block is None:
        raise MalformedRequest("A header holds a line break or a NUL.")
    return block if credential is None else block + credential


def crossed_request_headers(
    headers: Headers, *, drop: frozenset[bytes], asked: Headers, host: bytes, credential: bytes
) -> bytes:
    """Build the header block for a provider that speaks another dialect than the client.

    What the client's dialect says in headers means nothing there, so little goes on: who asks, and the trace.

    Args:
        headers: As the client sent them.
        drop: What carried the caller's credential for us.
        asked: What the provider's dialect asks for.
        host: Authority of the provider.
        credential: Encoded lines that authenticate us, each ending in CRLF.

    Raises:
        MalformedRequest: A header would break out of its line.
    """
    lines = [b"%b: %b" % (name, headers[name]) for name in _CROSS_TO_PROVIDER if name in headers]
    lines = kept(lines, shown(headers, drop))
    lines += [b"%b: %b" % item for item in asked.items()]
    lines += (b"content-type: application/json", b"accept-encoding: identity", b"host: " + host)
    block = _block(lines)
    if block is None:
        raise MalformedRequest("A header holds a line break or a NUL.")
    return block + credential


def crossed_headers(headers: Headers, content_type: bytes) -> Headers:
    """Give a provider's headers for a client that speaks another dialect: limits, when to come back, the request's id.

    Args:
        headers: As the provider sent them.
        content_type: Of the body that the client gets.
    """
    crossed = {name: value for name, value in headers.items() if name in _CROSS_TO_CLIENT or _RATE_LIMIT in name}
    # Each family of clients looks for the id under its own name.
    for name, other in ((b"request-id", b"x-request-id"), (b"x-request-id", b"request-id")):
        if name in headers:
            crossed.setdefault(other, headers[name])
    crossed[b"content-type"] = content_type
    return crossed


def answer_headers(headers: Headers) -> bytes:
    """Build the header block for the client from the provider's.

    Args:
        headers: As the provider sent them. ``content-encoding`` is left out: who passes an encoded body on adds it.

    Returns:
        Encoded lines, each ending in CRLF, without length and without the blank line.

    Raises:
        InvalidAnswer: A header would break out of its line.
    """
    block = _block(_lines(headers, _NOT_ANSWERED))
    if block is None:
        raise InvalidAnswer("The provider's answer has a header that holds a line break or a NUL.")
    return block


def forwarded_to_client(headers: Headers) -> frozenset[bytes]:
    """The names that :func:`answer_headers` lets through."""
    stays = _NOT_ANSWERED | _named_by_connection(headers)
    return frozenset(name for name in headers if _passes(name, stays))


def _named_by_connection(headers: Headers) -> frozenset[bytes]:
    connection = headers.get(b"connection", b"")
    if connection in _PLAIN_CONNECTION:
        return frozenset()
    return frozenset(name.strip().lower() for name in connection.split(b","))


def _lines(headers: Headers, stays: frozenset[bytes]) -> list[bytes]:
    stays |= _named_by_connection(headers)
    return [b"%b: %b" % item for item in headers.items() if _passes(item[0], stays)]


def _passes(name: bytes, stays: frozenset[bytes]) -> bool:
    if name in stays or name.startswith(_PREFIXES):
        return False
    # To servers that put headers into an environment (CGI, WSGI) it is the same as the other sign.
    return b"_" not in name or _passes(name.replace(b"_", b"-"), stays)


def _block(lines: list[bytes]) -> bytes | None:
    """Join lines; ``None`` when one of them holds CR, LF or NUL of its own."""
    lines.append(b"")
    block = b"\r\n".join(lines)
    breaks = len(lines) - 1
    if block.count(b"\r") != breaks or block.count(b"\n") != breaks or b"\0" in block:
        return None
    return block


def read_labels(headers: Headers) -> Labels | None:
    """Read the headers by which a request labels itself; ``None`` when there are none.

    Raises:
        MalformedRequest: See :func:`parse_tags`.
    """
    if _LABELS.isdisjoint(headers):
        return None
    trace_id, span_id, flags = parse_traceparent(headers.get(b"traceparent", b"")) or ("", "", 0)
    # Without the one, the other means nothing.
    state = headers.get(b"tracestate", b"") if trace_id else b""
    session = headers.get(b"x-weighbridge-session", b"")
    return Labels(
        tags=parse_tags(headers.get(b"x-weighbridge-tags", b"")),
        trace_id=trace_id,
        span_id=span_id,
        trace_flags=flags,
        trace_state=state.decode() if len(state) <= MAX_TRACE_STATE_CHARS and _is_printable(state) else "",
        session_id=session[:MAX_SESSION_CHARS].decode("utf-8", "replace"),
        strict=b"x-weighbridge-policy" in headers,
    )


def parse_tags(value: bytes) -> dict[str, str]:
    """Read ``x-weighbridge-tags: team=support,env=prod``.

    Raises:
        MalformedRequest: Not of that form, not printable UTF-8, a name twice, or beyond the bounds: 16 tags, names of
            64 and values of 256 characters.
    """
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise MalformedRequest("The header x-weighbridge-tags is not UTF-8.") from None
    tags: dict[str, str] = {}
    # The last part may hold many tags: it is one too many already.
    for item in text.split(",", MAX_TAGS) if text.strip() else ():
        if len(tags) == MAX_TAGS:
            raise MalformedRequest(f"The header x-weighbridge-tags has more than {MAX_TAGS} tags.")
        name, equals, content = item.partition("=")
        name, content = name.strip(), content.strip()
        if not equals or not name or name in tags:
            raise MalformedRequest("The header x-weighbridge-tags is not of the form name=value,name=value.")
        if len(name) > MAX_TAG_NAME_CHARS or len(content) > MAX_TAG_VALUE_CHARS:
            raise MalformedRequest(
                f"A tag's name is at most {MAX_TAG_NAME_CHARS} characters, its value {MAX_TAG_VALUE_CHARS}."
            )
        if not (name.isprintable() and content.isprintable()):
            raise MalformedRequest("The header x-weighbridge-tags has characters that cannot be printed.")
        tags[name] = content
    return tags


def parse_traceparent(value: bytes) -> tuple[str, str, int] | None:
    """Read a W3C ``traceparent``.

    Returns:
        Trace id (32 hexadecimal digits), the caller's span id (16) and flags, or ``None`` when the header is not valid
        and, as the specification asks, a trace starts here.
    """
    found = _TRACEPARENT.fullmatch(value.strip())
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    # A later version may append fields; this one may not, and ff is none.
    if version == b"ff" or (version == b"00" and more is not None):
        return None
    if not trace_id.strip(b"0") or not span_id.strip(b"0"):
        return None
    return trace_id.decode(), span_id.decode(), int(flags, 16)


def with_span(headers: Headers, labels: Labels, span_id: str) -> Headers:
    """Give the headers of a call that is part of a trace, for whoever it goes on to: our span stands for the caller's.

    Args:
        headers: As the client sent them; ``tracestate`` goes on as it is.
        labels: What they say of the trace.
        span_id: Ours, 16 hexadecimal digits.
    """
    # Only the flags that this version of the specification knows.
    parent = f"00-{labels.trace_id}-{span_id}-{labels.trace_flags & 0b11:02x}"
    return {**headers, b"traceparent": parent.encode()}


def _is_printable(value: bytes) -> bool:
    return all(0x20 <= byte < 0x7F for byte in value)
