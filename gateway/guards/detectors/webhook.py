"""``use: webhook``: a judge of one's own, asked over HTTP.

The contract is in docs/policies.md. Only the configured host is ever spoken to: redirects are not followed, and nothing
that comes back is a place to go to. What is sent and what is read back are bounded, and the answer is checked field by
field, since its words end up in records and its replacements in texts.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

import msgspec

from gateway.clients.http import HttpClient
from gateway.clients.origin import Origin
from gateway.config.references import References, Secret
from gateway.config.source import Document
from gateway.core.errors import GatewayError, InvalidAnswer, Misconfigured, RequestTooLarge
from gateway.core.exchange import Headers, Timeouts
from gateway.core.verdict import DetectorSpec
from gateway.plugin.guard import About, Finding

MAX_SENT_BYTES, MAX_READ_BYTES = 4 * 1024 * 1024, 1024 * 1024
MAX_FINDINGS = 1_000
_MAX_CONNECTIONS = 64
# The engine's limit comes first; this one is for a judge that nobody waits for any more.
_LONGEST_S = 60.0
_OURS = frozenset({"host", "content-length", "content-type", "transfer-encoding", "connection", "accept-encoding"})
_KIND = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,63}")


class _Found(msgspec.Struct):
    text: Annotated[int, msgspec.Meta(ge=0)]
    kind: Annotated[str, msgspec.Meta(max_length=64)]
    start: Annotated[int, msgspec.Meta(ge=0)] = 0
    end: Annotated[int, msgspec.Meta(ge=0)] = 0
    label: Annotated[str, msgspec.Meta(max_length=64)] = ""
    score: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    replacement: Annotated[str, msgspec.Meta(max_length=4096)] | None = None


class _Said(msgspec.Struct):
    findings: Annotated[list[_Found], msgspec.Meta(max_length=MAX_FINDINGS)]


_DECODER = msgspec.json.Decoder(_Said, strict=True)


class _Answer:
    """Takes the answer; an :class:`~gateway.core.ports.AnswerSink`."""

    def __init__(self) -> None:
        self.body: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._parts: list[bytes] = []
        self._size = 0

    def on_head(self, status: int, headers: Headers) -> None:
        if status != 200:
            self._refuse("The webhook's answer has another status than 200.")

    def on_data(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > MAX_READ_BYTES:
            self._refuse("The webhook's answer is too large.")
        else:
            self._parts.append(data)

    def on_end(self) -> None:
        if not self.body.done():
            self.body.set_result(b"".join(self._parts))

    def on_whole(self, status: int, headers: Headers, block: bytes, body: bytes) -> None:
        self.on_head(status, headers)
        self.on_data(body)
        self.on_end()

    def on_fail(self, error: GatewayError) -> None:
        if not self.body.done():
            self.body.set_exception(error)

    def _refuse(self, why: str) -> None:
        self.on_fail(InvalidAnswer(why))


class WebhookDetector:
    """Asks a web service; an :class:`~gateway.plugin.guard.OutsideDetector`.

    Args:
        name: As rules call it.
        url: Of the service.
        headers: Sent along.
        hashed: Digests are sent instead of texts.
        timeout_s: How long an answer is waited for.

    Raises:
        Misconfigured: The URL or a header cannot be sent.
    """

    def __init__(
        self, name: str, url: str, headers: dict[str, Secret], *, hashed: bool = False, timeout_s: float = _LONGEST_S
    ) -> None:
        self.name = name
        self._origin = Origin.parse(url)
        self._head = self._build_head(url, headers)
        self._hashed = hashed
        self._timeouts = Timeouts(
            connect_s=timeout_s, first_token_s=timeout_s, idle_s=timeout_s, total_s=timeout_s
        )  # fmt: skip
        self._client: HttpClient | None = None

    async def judge(self, texts: Sequence[tuple[str, About]]) -> list[list[Finding]]:
        """Ask about all texts at once.

        Raises:
            GatewayError: There was no answer, or none by the contract.
        """
        if not texts:
            return []
        body = self._question(texts)
        if len(body) > MAX_SENT_BYTES:
            raise RequestTooLarge("The texts are larger than a webhook is sent.")
        if self._client is None:
            self._client = HttpClient(max_connections=_MAX_CONNECTIONS)
        answer = _Answer()
        wire = b"%b%d\r\n\r\n%b" % (self._head, len(body), body)
        call = self._client.send(self._origin, wire, answer, self._timeouts)
        try:
            said = await answer.body
        finally:
            # Also when nobody waits any more, and when the rest of an answer is not wanted.
            if not answer.body.done() or answer.body.cancelled() or answer.body.exception() is not None:
                call.cancel()
        return _findings(said, [len(text) for text, _ in texts])

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _build_head(self, url: str, headers: dict[str, Secret]) -> bytes:
        parts = urlsplit(url)
        target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
        if parts.query:
            target += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
        for header in headers:
            if header.lower() in _OURS:
                raise Misconfigured(f"Detector '{self.name}': headers.{header} is set by the gateway.")
        lines = [f"{header}: {secret.reveal()}\r\n".encode() for header, secret in headers.items()]
        return b"POST %b HTTP/1.1\r\nhost: %b\r\n%bcontent-type: application/json\r\ncontent-length: " % (
            target.encode(),
            self._origin.host_header,
            b"".join(lines),
        )

    def _question(self, texts: Sequence[tuple[str, About]]) -> bytes:
        listed: list[dict[str, Any]] = []
        for text, about in texts:
            entry: dict[str, Any] = {"role": about.role, "kind": about.kind, "tool": about.tool}
            data = text.encode("utf-8", "replace")
            if self._hashed:
                entry |= {"sha256": hashlib.sha256(data).hexdigest(), "chars": len(text)}
            else:
                entry["text"] = data.decode()
            listed.append(entry)
        return msgspec.json.encode({"id": str(uuid4()), "direction": texts[0][1].direction, "texts": listed})


def build(spec: DetectorSpec) -> WebhookDetector:
    """Build the detector of a policy.

    Raises:
        Misconfigured: A secret is not there, or the URL or a header cannot be sent.
    """
    options = spec.options
    references = References(os.environ, Path.cwd())
    document = Document(name=spec.name, data=None, lines={}, problems=())
    headers: dict[str, Secret] = {}
    for header, reference in options.get("headers", {}).items():
        secret = references.resolve(reference, document, ("headers", header))
        if secret is not None:
            headers[header] = secret
    if references.problems:
        told = "; ".join(problem.message for problem in references.problems)
        raise Misconfigured(f"Detector '{spec.name}': {told}.")
    return WebhookDetector(
        spec.name,
        options["url"],
        headers,
        hashed=options.get("send", "text") == "hash",
        timeout_s=spec.timeout_s or _LONGEST_S,
    )


def _findings(said: bytes, sizes: list[int]) -> list[list[Finding]]:
    try:
        found = _DECODER.decode(said).findings
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidAnswer("The webhook's answer is not as agreed.") from None
    findings: list[list[Finding]] = [[] for _ in sizes]
    for each in found:
        if each.text >= len(sizes) or not each.start <= each.end <= sizes[each.text] or not _KIND.fullmatch(each.kind):
            raise InvalidAnswer("The webhook's answer names what is not there.")
        if each.label and not _KIND.fullmatch(each.label):
            raise InvalidAnswer("The webhook's answer names what is not there.")
        findings[each.text].append(
            Finding(
                kind=each.kind,
                start=each.start,
                end=each.end,
                label=each.label,
                score=each.score,
                replacement=each.replacement,
            )
        )
    for listed in findings:
        listed.sort(key=lambda finding: finding.start)
    return findings
