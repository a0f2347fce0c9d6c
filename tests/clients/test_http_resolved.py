"""The lean client where not every host may be connected to: by the addresses that it is given, and by no name."""

from __future__ import annotations

import asyncio

import pytest

from gateway.clients.http import HttpClient, Resolve
from gateway.clients.origin import Origin
from gateway.core.errors import ConnectFailed, GatewayError, InvalidAnswer
from tests.clients.test_http import PATIENT, REQUEST, Sink
from tests.support.provider import scripted, whole


def asked(answers: list[str], resolve: Resolve | None = None) -> tuple[Sink, list[str]]:
    """Ask a server on loopback under a name that nobody knows, and say what was looked up."""
    looked_up: list[str] = []

    async def given(host: str, port: int) -> list[str]:
        looked_up.append(host)
        return answers

    async def main() -> Sink:
        async with scripted([whole(b"{}")]) as provider:
            client, sink = HttpClient(resolve=resolve or given), Sink()
            try:
                client.send(Origin.parse(f"http://keys.invalid:{provider.port}"), REQUEST, sink, PATIENT)
                await asyncio.wait_for(sink.done.wait(), 10)
                assert client.active() == 0
                assert client.counts()[0] == (0 if sink.error else 1)
                if sink.error:
                    assert provider.connections == 0
            finally:
                await client.close()
            return sink

    return asyncio.run(main()), looked_up


# The second takes no connection: there is nobody on that loopback address.
@pytest.mark.parametrize("answers", [["127.0.0.1"], ["127.0.0.99", "127.0.0.1"]])
def test_the_first_address_that_takes_a_connection_is_asked(answers: list[str]) -> None:
    sink, looked_up = asked(answers)
    assert (sink.status, looked_up) == (200, ["keys.invalid"])


@pytest.mark.parametrize("answers", [[], ["127.0.0.99"]])
def test_a_host_that_nobody_answers_at_is_not_reached(answers: list[str]) -> None:
    assert isinstance(asked(answers)[0].error, ConnectFailed)


@pytest.mark.parametrize("why", [InvalidAnswer("not there"), ConnectFailed("no address")])
def test_a_host_that_may_not_be_asked_is_not(why: GatewayError) -> None:
    async def no(host: str, port: int) -> list[str]:
        raise why

    assert asked([], no)[0].error is why
