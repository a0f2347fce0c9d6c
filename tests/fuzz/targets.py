"""What is fuzzed: every parser of bytes that somebody else has made, each with what must hold of it.

A target takes bytes and returns, whatever they are. Errors that a parser declares are answers; any other exception is a
bug, and so is a promise that does not hold: that it does not matter how a stream was cut, that two readers of one text
agree, that what is let through is what it seems.
"""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any, get_args
from urllib.parse import unquote

import httptools
import orjson

from gateway.cache.relays import alive_part, end_part, head_part, piece_part, read_part
from gateway.clients.image_size import image_size
from gateway.clients.jws import read_key_set
from gateway.config.source import load_yaml
from gateway.core.errors import GatewayError, InvalidAnswer, StoreRejected
from gateway.core.exchange import Headers
from gateway.core.images import find_images
from gateway.core.jwt import JwtRefused, take_apart
from gateway.core.key_token import parse_token
from gateway.core.server_load import ServerKind
from gateway.guards.encoded import leaves
from gateway.guards.links.address import read as read_address
from gateway.guards.views.normaliser import Normaliser
from gateway.listener import framing, newcomer
from gateway.operator.readonly_sql import nodes_of
from gateway.policy.load import bundle_of
from gateway.recording.segment import read_slice
from gateway.wire import bridge, websocket
from gateway.wire.answer_fault import answer_fault
from gateway.wire.aws_eventstream import FrameSplitter, decode
from gateway.wire.client_cert import parse_client_certs
from gateway.wire.client_hello import read_client_hello
from gateway.wire.content_coding import ContentDecoder
from gateway.wire.headers import parse_traceparent, read_labels
from gateway.wire.media_type import is_json
from gateway.wire.protobuf import Unreadable, fields
from gateway.wire.request_target import check_target, plain_path
from gateway.wire.retry_after import retry_after_s
from gateway.wire.select import select
from gateway.wire.server_metrics import read_load
from gateway.wire.skim import skim
from gateway.wire.sse import EventSplitter, parse_event
from gateway.wire.strict_json import parse_body
from tests.fuzz.dialects import DIALECTS, asked, crossed, outcome, stream_across
from tests.fuzz.screening import screened
from tests.support.incoming import JSON, incoming

# A stream may be cut anywhere; these are enough to meet every state of a reader on small inputs.
CUTS = (1, 2, 7)


def json_body(data: bytes) -> None:
    """Whatever is let through is read the same by a reader that has nothing in common with ours."""
    try:
        document = parse_body(data)
    except GatewayError:
        return
    if b"e" not in data.lower() and b"." not in data:
        # Numbers with a fraction are rounded by everybody in their own way.
        assert json.loads(data) == document
    list(find_images(document))


def request(data: bytes) -> None:
    """A request in any dialect: understood, or refused in its own words; and written for every other provider."""
    name, body = asked(data)
    sent = incoming(path=DIALECTS[name].path, body=body, headers=dict(JSON))
    try:
        dialect, understood = select(sent)
    except GatewayError:
        return
    document = understood.document
    for segment in dialect.segments(document):
        assert isinstance(segment.text, str)
    assert dialect.upstream_body(understood, document, "") is not None
    for provider in bridge.CODECS:
        between = bridge.between(dialect.name, provider)
        if between is not None:
            crossed(between, document, sent.path)


def answer(data: bytes) -> None:
    """A provider's whole answer, read by its own dialect and by the bridge."""
    name, body = asked(data)
    dialect = DIALECTS[name].dialect
    dialect.skim(body)
    skim(body)
    answer_fault(dialect.name, body)
    try:
        document: Any = orjson.loads(body)
    except ValueError:
        return
    if isinstance(document, dict):
        dialect.read_answer(document)
        assert all(isinstance(segment.text, str) for segment in dialect.answer_segments(document))
        dialect.restream(document)
        try:
            bridge.CODECS[dialect.name].read_answer(document)
        except (GatewayError, KeyError):
            return


def stream(data: bytes) -> None:
    """A provider's stream comes out the same however it was cut."""
    name, body = asked(data)
    whole = outcome(name, [body])
    for cut in CUTS:
        assert outcome(name, pieces(body, cut)) == whole, cut


def crossing(data: bytes) -> None:
    """A provider's stream, answer and error, for clients of every other dialect."""
    stream_across(*asked(data))


def events(data: bytes) -> None:
    """Events of a stream are the same however it was cut, and nothing of it is lost."""
    seen: set[tuple[str, ...]] = set()
    for cut in (len(data) or 1, *CUTS):
        splitter = EventSplitter(max_event_bytes=4096)
        found: list[bytes] = []
        try:
            for piece in pieces(data, cut):
                found += splitter.feed(piece)
        except InvalidAnswer:
            return
        whole = b"".join(found) + splitter.rest()
        assert whole == data.removeprefix(b"\xef\xbb\xbf"), cut
        # A line's end that was cut in two may make an event of nothing.
        seen.add(tuple(str(event) for event in map(parse_event, found) if event is not None))
    assert len(seen) == 1, seen


def frames(data: bytes) -> None:
    """Amazon's frames: the same, with checksums."""
    seen: set[tuple[Any, ...]] = set()
    for cut in (len(data) or 1, *CUTS):
        splitter, found = FrameSplitter(), []
        try:
            for piece in pieces(data, cut):
                found += [(frame.payload, *frame.headers.items()) for frame in map(decode, splitter.feed(piece))]
        except InvalidAnswer:
            found.append("broken")
        seen.add(tuple(map(repr, found)))
    assert len(seen) == 1, seen


def messages(data: bytes) -> None:
    """WebSocket messages, of clients and of servers."""
    for masked in (True, False):
        seen: set[tuple[str, ...]] = set()
        for cut in (len(data) or 1, *CUTS):
            reader = websocket.MessageReader(masked=masked, max_bytes=4096)
            found: list[str] = []
            try:
                for piece in pieces(data, cut):
                    found += map(repr, reader.feed(piece))
            except websocket.FrameFault as fault:
                # What came before a fault in the same piece is not given any more.
                found = [f"fault {fault}"]
            seen.add(tuple(found))
        assert len(seen) == 1, seen


def coding(data: bytes) -> None:
    """Compressed answers stay within their bound, whatever they claim."""
    for name in (b"gzip", b"deflate"):
        decoder, size = ContentDecoder(name, max_bytes=100_000), 0
        try:
            for piece in pieces(data, 7):
                size += len(decoder.feed(piece))
            decoder.finish()
        except InvalidAnswer:
            pass
        assert size <= 100_000


def client_hello(data: bytes) -> None:
    """The first bytes of a connection that speaks TLS."""
    try:
        hello = read_client_hello(data)
    except GatewayError:
        return
    if hello is not None:
        assert hello.server_name == hello.server_name.strip().lower()


def proxied(data: bytes) -> None:
    """The first request on a connection to a proxy."""
    newcomer.speaks_tls(data)
    newcomer.wants_elsewhere(data)
    try:
        head = newcomer.whole_head(data)
        if head is None:
            return
        newcomer.host_header(head)
        meant = newcomer.read_meant(head)
    except GatewayError:
        return
    assert meant.host == meant.host.lower()
    assert 0 < meant.port < 65_536
    assert meant.tunnel or framing.check_head(meant.head) is None


def head(data: bytes) -> None:
    """What passes for the head of a request is one to the parser, and none of its lines holds another."""
    text = data + b"\r\n\r\n"
    if framing.check_head(text) is not None:
        return
    lines: list[tuple[bytes, bytes]] = []
    parser = httptools.HttpRequestParser(_Heard(lines))
    try:
        parser.feed_data(text)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return
    for name, value in lines:
        assert not set(b"\r\n\0") & set(name + value)


class _Heard:
    def __init__(self, lines: list[tuple[bytes, bytes]]) -> None:
        self._lines = lines

    def on_header(self, name: bytes, value: bytes) -> None:
        self._lines.append((name, value))


def target(data: bytes) -> None:
    """A path that is let through leads, for every kind of server, to where it seems to lead."""
    path, _, query = data.decode("latin-1").partition("?")
    try:
        check_target(path, query)
    except GatewayError:
        return
    plain_path(path)
    shown = unquote(path, "latin-1")
    for reading in (path, shown, unquote(shown, "latin-1")):
        steps = [step.partition(";")[0] for step in reading.replace("\\", "/").split("/")]
        assert not {".", ".."} & set(steps), reading
        assert "" not in steps[1:-1], reading
        assert not any(ord(sign) < 32 for sign in reading), reading
    assert not set(query) & set("#\r\n\0 ")


def headers(data: bytes) -> None:
    """Headers that say something to us."""
    names = (b"x-weighbridge-tags", b"traceparent", b"tracestate", b"x-weighbridge-session", b"retry-after")
    values: Headers = dict(zip(names, data.split(b"\n"), strict=False))
    parse_traceparent(data)
    retry_after_s(values)
    is_json({b"content-type": data}, b"{}")
    try:
        labels = read_labels(values)
    except GatewayError:
        return
    if labels is not None:
        assert len(labels.tags) <= 16
        assert all(name.isprintable() and value.isprintable() for name, value in labels.tags.items())


def certificate(data: bytes) -> None:
    """What a proxy of the mesh says of its client's certificate."""
    try:
        parse_client_certs(data)
    except GatewayError:
        return


def token(data: bytes) -> None:
    """Tokens and keys of callers, and an issuer's set of keys."""
    parse_token(data.decode("latin-1"))
    with suppress(JwtRefused):
        take_apart(data)
    with suppress(JwtRefused):
        read_key_set(data)


def protobuf(data: bytes) -> None:
    """Messages of collectors and of servers that speak gRPC."""
    try:
        fields(data)
    except Unreadable:
        return


def metrics(data: bytes) -> None:
    """What a server says of its load."""
    for kind in get_args(ServerKind):
        with suppress(GatewayError):
            read_load(kind, data)


def picture(data: bytes) -> None:
    """Images in requests: their size is looked at before anybody unpacks them."""
    size = image_size(data.decode("latin-1"))
    assert size is None or all(side >= 0 for side in size)


def text(data: bytes) -> None:
    """Texts that guards look at: every place of every view lies in the text."""
    said = data.decode("utf-8", "replace")
    for view in Normaliser().views(said):
        for place in {0, len(view.text) // 2, len(view.text) - 1} if view.text else ():
            start, end = view.original(place, place + 1)
            assert 0 <= start <= end <= len(said), (view.name, place)
    leaves(said)


def link(data: bytes) -> None:
    """Addresses in texts: numbers are written as the addresses that they are."""
    address = read_address(data.decode("utf-8", "replace"))
    for host in address.hosts if address is not None else ():
        if host.replace(".", "").isdigit():
            ipaddress.IPv4Address(host)


def yaml(data: bytes) -> None:
    """A file of configuration, by both of its readers: read, or said to be wrong at a line that it has."""
    said = data.decode("utf-8", "replace")
    for fast in (False, True):
        document = load_yaml(said, "fuzz.yaml", fast=fast)
        # Of a file that ends in the middle, the end is what is wrong.
        assert all(0 <= problem.line <= len(said.splitlines()) + 1 for problem in document.problems)
        assert all(1 <= line <= len(said.splitlines()) + 1 for line in document.lines.values())


def policy(data: bytes) -> None:
    """A policy file: compiled, or refused with what is wrong with it."""
    bundle = bundle_of([("fuzz.yaml", data.decode("utf-8", "replace"))])
    assert all(problem.message for problem in bundle.problems)


def spool(data: bytes) -> None:
    """A segment that anybody may have written into: each whole line is read once, in order, whatever the bounds are."""
    fd = os.memfd_create("segment")
    try:
        os.write(fd, data)
        whole = data[: data.rfind(b"\n") + 1]
        for max_bytes, max_lines in ((1, 1), (7, 2), (4096, 100)):
            found, at = [], 0
            while part := read_slice(fd, at, max_bytes=max_bytes, max_lines=max_lines, max_line_bytes=1 << 20):
                assert part.start == at < part.end
                assert part.data.count(b"\n") <= max_lines
                found.append(part.data)
                at = part.end
            assert b"".join(found) == whole
    finally:
        os.close(fd)


def pieces(data: bytes, size: int) -> list[bytes]:
    """Cut bytes."""
    return [data[at : at + size] for at in range(0, len(data), size)]


def tree(data: bytes) -> None:
    """What a database says a statement is made of: every line of it is a part that is checked, or all is refused."""
    text = data.decode("utf-8", "replace")
    with suppress(StoreRejected):
        found = list(nodes_of(text))
        assert len(found) == text.rstrip("\n").count("\n") + 1
        assert all(node.kind for node in found)


def relay(data: bytes) -> None:
    """Parts of a stream that another gateway has left in Redis: one that is read is what it would be written as."""
    part = read_part(data)
    if part is None:
        return
    token = part.token
    written = alive_part(token) if part.kind == "alive" else piece_part(token, part.piece)
    if part.head is not None:
        written = head_part(token, part.head)
    elif part.end is not None:
        written = end_part(token, part.end)
    assert read_part(written) == part


TARGETS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each
    for each in (
        json_body, request, answer, stream, crossing, events, frames, messages, coding, client_hello, proxied, head,
        target, headers, certificate, token, protobuf, metrics, picture, text, link, yaml, policy, spool,
        screened, tree, relay,
    )
}  # fmt: skip
