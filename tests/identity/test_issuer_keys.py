from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any

import pytest

from gateway.clients import outside
from gateway.core.errors import AuthenticationFailed, StoreUnavailable
from gateway.identity import issuer_keys
from gateway.identity.issuer_keys import BACK_OFF_S, COOLDOWN_S
from tests.support.issuer import NOW_S, Issuer, claims, rsa_jwk, token
from tests.support.token_rooms import TokenRooms, with_tokens


def test_many_first_calls_make_one_fetch() -> None:
    async def work(rooms: TokenRooms) -> None:
        found = await asyncio.gather(*(rooms.bearer(token()) for _ in range(50)))
        assert {principal.key_id for principal in found} == {"ann"}
        assert rooms.keys.fetches == 1

    with_tokens(work, Issuer(rsa_jwk()))


def test_a_key_that_is_new_is_fetched_when_a_token_names_it() -> None:
    async def work(rooms: TokenRooms) -> None:
        await rooms.bearer(token())
        rooms.issuer.keys = (rsa_jwk(), rsa_jwk("two"))
        rooms.clock.advance(COOLDOWN_S)
        assert (await rooms.bearer(token(name="two"))).key_id == "ann"
        assert (await rooms.bearer(token())).key_id == "ann"
        assert rooms.keys.fetches == 2

    with_tokens(work, Issuer(rsa_jwk()))


def test_tokens_that_name_no_key_storm_nobody() -> None:
    async def work(rooms: TokenRooms) -> None:
        await rooms.bearer(token())
        rooms.clock.advance(COOLDOWN_S)
        for _ in range(3):
            storm = [rooms.bearer(token(kid=f"k{number}", name="two")) for number in range(300)]
            refused = await asyncio.gather(*storm, return_exceptions=True)
            assert {type(one) for one in refused} == {AuthenticationFailed}
        assert rooms.keys.fetches == 2
        assert len(rooms.server.asked) == 2
        assert (await rooms.bearer(token(claims(sub="bob")))).key_id == "bob"

    with_tokens(work, Issuer(rsa_jwk()))


def test_a_wrong_signature_of_a_key_that_is_known_is_no_reason_to_fetch() -> None:
    async def work(rooms: TokenRooms) -> None:
        await rooms.bearer(token())
        rooms.clock.advance(COOLDOWN_S)
        with pytest.raises(AuthenticationFailed):
            await rooms.bearer(token(name="two", kid="rsa-one"))
        assert rooms.keys.fetches == 1

    with_tokens(work, Issuer(rsa_jwk()))


def test_tokens_that_would_be_refused_anyway_are_no_reason_to_fetch() -> None:
    async def work(rooms: TokenRooms) -> None:
        for said in (claims(exp=NOW_S - 100), claims(aud="x"), claims(iss="x")):
            with pytest.raises(AuthenticationFailed):
                await rooms.bearer(token(said, kid="new"))
        assert rooms.keys.fetches == 0

    with_tokens(work, Issuer(rsa_jwk()))


def test_keys_are_fetched_again_when_they_are_old_beside_the_calls() -> None:
    async def work(rooms: TokenRooms) -> None:
        first = await rooms.bearer(token())
        rooms.clock.advance(601)
        assert rooms.identity.identify({b"authorization": b"Bearer " + token()}) is first
        await rooms.keys.renewed()
        assert rooms.keys.fetches == 2

    with_tokens(work, Issuer(rsa_jwk()))


def test_an_issuer_that_is_away_is_missed_only_after_a_while(caplog: pytest.LogCaptureFixture) -> None:
    async def work(rooms: TokenRooms) -> None:
        long = token(claims(exp=NOW_S + 10 * 86_400))
        await rooms.bearer(long)
        rooms.issuer.status = "500 Oops"
        for _ in range(5):
            rooms.clock.advance(12_000)
            assert (await rooms.bearer(long)).key_id == "ann"
            assert (await rooms.bearer(token(claims(exp=NOW_S + 86_400)))).key_id == "ann"
            await rooms.keys.renewed()
        rooms.clock.advance(86_400)
        with pytest.raises(StoreUnavailable) as caught:
            await rooms.bearer(long)
        assert (caught.value.status, caught.value.retry_after_s) == (503, BACK_OFF_S)
        rooms.issuer.status = "200 OK"
        rooms.clock.advance(BACK_OFF_S)
        assert (await rooms.bearer(long)).key_id == "ann"

    with caplog.at_level(logging.WARNING):
        with_tokens(work, Issuer(rsa_jwk()))
    assert len([record for record in caplog.records if "cannot be fetched" in record.message]) == 1


def test_an_issuer_that_never_was_there_is_asked_now_and_then() -> None:
    async def work(rooms: TokenRooms) -> None:
        for _ in range(3):
            for _ in range(20):
                with pytest.raises(StoreUnavailable):
                    await rooms.bearer(token())
            rooms.clock.advance(BACK_OFF_S)
        assert rooms.keys.fetches == 3

    issuer = Issuer(rsa_jwk())
    issuer.status = "503 Away"
    with_tokens(work, issuer)


def test_a_server_that_says_nothing_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuer_keys, "FETCH_S", 0.05)
    held = asyncio.Event()

    async def work(rooms: TokenRooms) -> None:
        rooms.server.scripts[0] = [held]
        with pytest.raises(StoreUnavailable):
            await rooms.bearer(token())

    with_tokens(work, Issuer(rsa_jwk()))


def test_who_leaves_takes_the_fetch_from_nobody() -> None:
    async def work(rooms: TokenRooms) -> None:
        loop = asyncio.get_running_loop()
        first, second = (loop.create_task(rooms.bearer(token())) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).key_id == "ann"
        assert rooms.keys.fetches == 1

    with_tokens(work, Issuer(rsa_jwk()))


def test_more_than_so_many_do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuer_keys, "MAX_WAITING", 3)

    async def work(rooms: TokenRooms) -> None:
        found = await asyncio.gather(*(rooms.bearer(token()) for _ in range(10)), return_exceptions=True)
        assert sum(isinstance(one, StoreUnavailable) for one in found) == 7

    with_tokens(work, Issuer(rsa_jwk()))


@pytest.mark.parametrize("body", [b"", b"[]", b"nothing", b'{"keys": [' + b"{}," * 200_000 + b"{}]}"])
def test_what_is_no_set_of_keys_is_as_good_as_none(body: bytes) -> None:
    async def work(rooms: TokenRooms) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body)
        rooms.server.scripts[0] = [head + body]
        with pytest.raises(StoreUnavailable):
            await rooms.bearer(token())

    with_tokens(work, Issuer(rsa_jwk()))


def test_keys_are_discovered() -> None:
    async def work(rooms: TokenRooms) -> None:
        said = claims(iss=rooms.issuer.url)
        assert (await rooms.bearer(token(said))).key_id == "ann"
        assert [asked.path for asked in rooms.server.asked] == ["/.well-known/openid-configuration", "/keys"]
        assert not any("authorization" in asked.headers for asked in rooms.server.asked)

    with_tokens(work, Issuer(rsa_jwk()), issuer="discovered")


@pytest.mark.parametrize(
    ("jwks_uri", "discovered"),
    [
        ("http://169.254.169.254/latest/meta-data", {}),
        ("https://169.254.169.254/latest/meta-data", {}),
        ("https://localhost/keys", {}),
        ("file:///etc/passwd", {}),
        ("", {"issuer": "https://attacker.example"}),
        ("", {"jwks_uri": 7}),
    ],
)
def test_a_discovery_that_leads_astray_is_not_followed(jwks_uri: str, discovered: dict[str, object]) -> None:
    async def work(rooms: TokenRooms) -> None:
        with pytest.raises(StoreUnavailable):
            await rooms.bearer(token(claims(iss=rooms.issuer.url)))
        assert len(rooms.server.asked) == 1

    issuer = Issuer(rsa_jwk())
    issuer.jwks_uri, issuer.discovered = jwks_uri, discovered
    with_tokens(work, issuer, issuer="discovered")


def test_keys_on_another_host_are_asked_for_where_the_name_was_found_to_lead(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is public when it is looked at, and this machine's a moment later, gains nothing."""

    async def work(rooms: TokenRooms) -> None:
        loop, answers = asyncio.get_running_loop(), ["127.0.0.1", "192.0.2.7"]
        reached: list[str] = []
        look_up = loop.getaddrinfo

        async def resolve(host: str, port: int, **more: Any):
            if host != "keys.example.com":
                return await look_up(host, port, **more)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers.pop(), port))]

        async def connect(_: object, host: str, *__: object, **___: object) -> None:
            reached.append(host)
            raise ConnectionRefusedError

        monkeypatch.setattr(loop, "getaddrinfo", resolve)
        monkeypatch.setattr(outside, "is_public", lambda address: address == "192.0.2.7")
        first = loop.create_connection
        monkeypatch.setattr(
            loop,
            "create_connection",
            lambda make, host, port, **more: (connect if port == 4443 else first)(make, host, port, **more),
        )
        with pytest.raises(StoreUnavailable):
            await rooms.bearer(token(claims(iss=rooms.issuer.url)))
        # Looked up once; what is connected to is an address, not the name.
        assert (reached, answers) == (["192.0.2.7"], ["127.0.0.1"])

    issuer = Issuer(rsa_jwk())
    issuer.jwks_uri = "https://keys.example.com:4443/keys"
    with_tokens(work, issuer, issuer="discovered")


def test_a_redirect_is_not_followed() -> None:
    async def work(rooms: TokenRooms) -> None:
        rooms.server.scripts[0] = [b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n"]
        with pytest.raises(StoreUnavailable):
            await rooms.bearer(token())
        assert len(rooms.server.asked) == 1

    with_tokens(work, Issuer(rsa_jwk()))
