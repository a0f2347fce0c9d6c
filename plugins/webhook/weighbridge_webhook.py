"""``use: plugin:http_judge``: asks a service that has a contract of its own, text by text.

``use: webhook`` asks services that keep our contract. Many others take a JSON object with the text in some field, and
answer with one that says in some field whether it is bad: this detector is told which fields those are.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

from gateway.plugin import API_VERSION, About, DetectorKind, Finding, Plugin

_MAX_ANSWER_BYTES = 65_536
_AT_ONCE = 8


class JudgeOptions(msgspec.Struct, frozen=True):
    """What a policy says beside ``use``.

    Attributes:
        url: Of the service.
        send: The field in which it takes a text.
        flagged: Where its answer says that a text is bad, as a dotted path: ``results.0.flagged``.
        score: Where it says how sure it is, 0 to 1; empty for a service that does not.
        token_env: The environment variable that holds a bearer token; empty for none.
    """

    url: str
    send: str = "input"
    flagged: str = "flagged"
    score: str = ""
    token_env: str = ""


class HttpJudge:
    """Asks a service; an outside detector.

    Args:
        name: As rules call it.
        options: As said.
        token: Sent along; empty for none.
    """

    def __init__(self, name: str, options: JudgeOptions, token: str = "") -> None:
        self.name = name
        self._options = options
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        self._session: aiohttp.ClientSession | None = None
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def judge(self, texts: Sequence[tuple[str, About]]) -> list[list[Finding]]:
        """Ask about each text; whatever goes wrong is for the policy's ``on_error``."""
        if not texts:
            return []
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(self._ask(text)) for text, _ in texts]
        return [task.result() for task in asked]

    async def close(self) -> None:
        """Let go of connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _ask(self, text: str) -> list[Finding]:
        if self._session is None:
            # A service has one address: nothing it says leads anywhere else.
            self._session = aiohttp.ClientSession(headers=self._headers, raise_for_status=True)
        options = self._options
        async with (
            self._turns,
            self._session.post(options.url, json={options.send: text}, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise ValueError("the service did not answer with 200")
            body = await answer.content.read(_MAX_ANSWER_BYTES)
        said: Any = msgspec.json.decode(body)
        if _at(said, options.flagged) is not True:
            return []
        score = _at(said, options.score) if options.score else None
        # About the text as a whole: the service does not say where.
        return [Finding(kind="flagged", score=float(score) if score is not None else None)]


def _at(value: Any, path: str) -> Any:
    """Return what stands at a dotted path of an answer; an answer that has no such place is an error."""
    for step in path.split("."):
        value = value[int(step) if isinstance(value, list) else step]
    return value


def _build(name: str, options: JudgeOptions) -> HttpJudge:
    parts = urlsplit(options.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("url should be an http or https URL")
    token = os.environ.get(options.token_env, "") if options.token_env else ""
    if options.token_env and not token:
        raise ValueError(f"environment variable {options.token_env} is not set")
    return HttpJudge(name, options, token)


PLUGIN = Plugin(
    name="webhook",
    api=API_VERSION,
    detectors=(DetectorKind(name="http_judge", build=_build, options=JudgeOptions),),
)
