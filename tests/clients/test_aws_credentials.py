"""Keys of Amazon's cloud, from servers that give them out as Amazon's do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import orjson
import pytest

from gateway.clients.aws_credentials import LIFETIME_S, SigningKeys
from gateway.clients.http import HttpClient
from gateway.clients.renewed import BACK_OFF_S
from gateway.core.aws_account import AwsAccount, AwsKeys, ContainerKeys, InstanceKeys, WebIdentity
from gateway.core.errors import GatewayError, Misconfigured, Overloaded, ProviderError
from tests.support.clock import ManualClock
from tests.support.provider import ScriptedProvider, Step, scripted, whole

Work = Callable[[SigningKeys, ScriptedProvider, ManualClock], Awaitable[None]]
WIRE = b"POST /model/m/converse HTTP/1.1\r\nhost: h\r\n\r\n{}"


def run(work: Work, account: Callable[[str], AwsAccount], *scripts: list[Step]) -> ScriptedProvider:
    async def main() -> ScriptedProvider:
        async with scripted(*scripts) as server:
            http, clock = HttpClient(), ManualClock()
            keys = SigningKeys(account(f"http://127.0.0.1:{server.port}"), "eu-west-1", http, clock)
            try:
                await asyncio.wait_for(work(keys, server, clock), 20)
            finally:
                await keys.close()
                await http.close()
            return server

    return asyncio.run(main())


async def awaited(keys: SigningKeys) -> None:
    told = asyncio.get_running_loop().create_future()
    keys.wait(told.set_result, told.set_exception)
    await told


def given(name: str = "AKIDGIVEN", left_s: float = 3600, **more: Any) -> list[Step]:
    expires = datetime.fromtimestamp(ManualClock().unix_ms() / 1000 + left_s, tz=UTC)
    document = {"AccessKeyId": name, "SecretAccessKey": "s", "Token": "t", "Expiration": expires.isoformat(), **more}
    return [whole(orjson.dumps(document))]


def container(url: str) -> ContainerKeys:
    return ContainerKeys(url=url + "/creds", token="Bearer x")


def test_keys_that_are_there_sign_at_once() -> None:
    async def work(keys: SigningKeys, server: ScriptedProvider, clock: ManualClock) -> None:
        lines = keys.header(WIRE)
        assert lines is not None
        day = datetime.fromtimestamp(clock.unix_ms() / 1000, tz=UTC).strftime("%Y%m%d")
        assert b"Credential=AKID/%b/eu-west-1/bedrock/aws4_request" % day.encode() in lines
        await awaited(keys)
        assert server.asked == []

    run(work, lambda _: AwsKeys(access_key_id="AKID", secret_access_key="s"), [])


def test_a_container_is_given_keys_for_its_token_and_renews_them_while_the_old_ones_hold() -> None:
    async def work(keys: SigningKeys, server: ScriptedProvider, clock: ManualClock) -> None:
        assert keys.header(WIRE) is None
        await asyncio.gather(*(awaited(keys) for _ in range(20)))
        assert len(server.asked) == 1
        assert (server.asked[0].path, server.asked[0].headers["authorization"]) == ("/creds", "Bearer x")
        lines = keys.header(WIRE)
        assert lines is not None
        assert b"x-amz-security-token: t\r\n" in lines
        clock.advance(3600 - 200)
        assert b"AKIDGIVEN" in (keys.header(WIRE) or b"")
        while b"SECOND" not in (keys.header(WIRE) or b""):
            await asyncio.sleep(0.001)
        assert len(server.asked) == 2
        clock.advance(10_000)
        assert keys.header(WIRE) is None

    run(work, container, given(), given("SECOND", 2 * 3600))


def test_a_cluster_says_who_we_are_and_gets_the_keys_of_a_role(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("statement\n")

    def role(url: str) -> WebIdentity:
        return WebIdentity(role_arn="arn:role", token_file=str(token), session_name="weighbridge", url=url + "/")

    async def work(keys: SigningKeys, server: ScriptedProvider, clock: ManualClock) -> None:
        await awaited(keys)
        asked = parse_qs(server.asked[0].body.decode())
        assert asked["WebIdentityToken"] == ["statement"]
        assert (asked["Action"], asked["RoleArn"]) == (["AssumeRoleWithWebIdentity"], ["arn:role"])
        assert b"AKIDROLE" in (keys.header(WIRE) or b"")
        token.unlink()
        clock.advance(LIFETIME_S)
        with pytest.raises(Misconfigured, match="file"):
            await awaited(keys)

    keys = {"AccessKeyId": "AKIDROLE", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": "soon"}
    result = {"AssumeRoleWithWebIdentityResult": {"Credentials": keys}}
    run(work, role, [whole(orjson.dumps({"AssumeRoleWithWebIdentityResponse": result}))])


def test_a_machine_has_the_keys_of_its_own_role() -> None:
    async def work(keys: SigningKeys, server: ScriptedProvider, clock: ManualClock) -> None:
        await awaited(keys)
        first, second, third = server.asked
        assert (first.method, first.path) == ("PUT", "/latest/api/token")
        assert second.headers["x-aws-ec2-metadata-token"] == "session"
        assert third.path == "/latest/meta-data/iam/security-credentials/the-role"
        assert b"AKIDGIVEN" in (keys.header(WIRE) or b"")

    run(work, lambda url: InstanceKeys(url=url), [whole(b"session")], [whole(b"the-role\n")], given())


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ([whole(b"{}", "500 No")], ProviderError),
        ([whole(b"{}", "403 No")], Misconfigured),
        ([whole(b"no json")], ProviderError),
        ([whole(b"[]")], ProviderError),
        ([whole(b"{}")], ProviderError),
        (given("a\nb"), ProviderError),
    ],
)
def test_a_refusal_is_told_and_not_asked_for_again_at_once(script: list[Step], error: type[GatewayError]) -> None:
    async def work(keys: SigningKeys, server: ScriptedProvider, clock: ManualClock) -> None:
        for _ in range(2):
            with pytest.raises(error):
                await awaited(keys)
        assert len(server.asked) == 1
        clock.advance(BACK_OFF_S + 1)
        with pytest.raises(error):
            await awaited(keys)
        assert len(server.asked) == 2

    run(work, container, script)


def test_who_waits_is_told_when_the_gateway_goes_and_who_let_go_is_not() -> None:
    async def work(keys: SigningKeys, server: ScriptedProvider, clock: ManualClock) -> None:
        told: list[GatewayError] = []
        keys.wait(lambda _: None, told.append)
        keys.wait(lambda _: None, told.append).cancel()
        await keys.close()
        assert [type(each) for each in told] == [Overloaded]

    run(work, container, [asyncio.Event()])
