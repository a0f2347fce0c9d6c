from __future__ import annotations

import asyncio
import hashlib
import hmac

import orjson

from gateway.clients.guarded_post import AddressForbidden, NotDelivered
from gateway.operator.outbox import MOST_TRIES, MOST_WAITING, Message, Outbox, signature
from tests.support.clock import ManualClock


class Scripted:
    """Answers posts as it was told to, then with 200."""

    def __init__(self, *script: int | Exception) -> None:
        self.script = list(script)
        self.posts: list[tuple[dict[str, str], bytes]] = []

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> int:
        self.posts.append((headers, body))
        answer = self.script.pop(0) if self.script else 200
        if isinstance(answer, Exception):
            raise answer
        return answer


def message(number: int = 1) -> Message:
    return Message(id=f"m{number}", document={"id": f"m{number}", "rule": "r"})


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def delivering(post: Scripted, messages: int = 1, advance: int = 60, **rest):
    async def run() -> Outbox:
        clock = ManualClock()
        outbox = Outbox("http://hook", "secret", post, clock, chance=lambda: 1.0, **rest)
        for number in range(messages):
            outbox.put(message(number))
        task = asyncio.get_running_loop().create_task(outbox.run())
        for _ in range(advance):
            await settled()
            clock.advance(300)
        await settled()
        task.cancel()
        return outbox

    return asyncio.run(run())


def test_a_message_is_signed_and_the_signature_is_of_time_and_body() -> None:
    post = Scripted()
    outbox = delivering(post)
    ((headers, body),) = post.posts
    stamp = headers["x-weighbridge-timestamp"]
    made = hmac.new(b"secret", f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers["x-weighbridge-signature"] == f"v1={made}" == signature("secret", stamp, body)
    assert (headers["content-type"], headers["x-weighbridge-message"]) == ("application/json", "m0")
    assert orjson.loads(body) == {"id": "m0", "rule": "r"}
    assert (outbox.waiting, outbox.results["delivered"]) == ([], 1)


def test_what_may_pass_is_tried_again_with_one_id_and_in_order() -> None:
    post = Scripted(500, 429, NotDelivered("no answer in time"), 204)
    outbox = delivering(post, messages=2)
    assert [headers["x-weighbridge-message"] for headers, _ in post.posts] == ["m0"] * 4 + ["m1"]
    assert (outbox.results["delivered"], outbox.results["retried"]) == (2, 3)


def test_what_will_not_pass_is_not_tried_again() -> None:
    for answer in (400, 404, 302, AddressForbidden()):
        post = Scripted(answer)
        outbox = delivering(post, messages=2)
        assert len(post.posts) == 2
        assert (outbox.results["refused"], outbox.results["delivered"]) == (1, 1)


def test_a_message_is_given_up_after_a_while() -> None:
    post = Scripted(*[503] * MOST_TRIES)
    outbox = delivering(post, messages=2)
    assert (outbox.results["given_up"], outbox.results["delivered"]) == (1, 1)
    assert len(post.posts) == MOST_TRIES + 1


def test_pauses_grow_and_are_spread() -> None:
    slept: list[float] = []

    class Clock(ManualClock):
        async def sleep(self, seconds: float) -> None:
            slept.append(seconds)

    async def run(chance: float) -> None:
        outbox = Outbox("http://h", None, Scripted(*[503] * MOST_TRIES), Clock(), [message()], chance=lambda: chance)
        task = asyncio.get_running_loop().create_task(outbox.run())
        for _ in range(10):
            await settled()
        task.cancel()

    asyncio.run(run(1.0))
    most = slept.copy()
    slept.clear()
    asyncio.run(run(0.0))
    assert most[:4] == [1, 2, 4, 8]
    assert max(most) <= 300
    assert slept == [each / 2 for each in most]


def test_too_many_push_out_the_oldest_and_what_waits_is_bounded() -> None:
    async def run() -> None:
        outbox = Outbox("http://hook", None, Scripted(), ManualClock())
        for number in range(MOST_WAITING + 5):
            outbox.put(message(number))
        assert [each.id for each in outbox.waiting][:1] == ["m5"]
        assert (len(outbox.waiting), outbox.results["pushed_out"]) == (MOST_WAITING, 5)

    asyncio.run(run())


def test_whoever_keeps_what_waits_is_told_after_each() -> None:
    kept: list[int] = []
    holder: list[Outbox] = []

    async def run() -> None:
        outbox = Outbox(
            "http://h", None, Scripted(), ManualClock(), changed=lambda: kept.append(len(holder[0].waiting))
        )
        holder.append(outbox)
        for number in range(3):
            outbox.put(message(number))
        task = asyncio.get_running_loop().create_task(outbox.run())
        await settled()
        task.cancel()

    asyncio.run(run())
    assert kept == [2, 1, 0]


def test_it_can_be_stopped_while_it_sends_or_pauses_and_loses_nothing() -> None:
    async def run() -> None:
        outbox = Outbox("http://h", None, Scripted(503), ManualClock(), [message()])
        task = asyncio.get_running_loop().create_task(outbox.run())
        await settled()
        task.cancel()
        await settled()
        assert task.cancelled()
        assert len(outbox.waiting) == 1

    asyncio.run(run())
