"""What was masked in a request comes back in the answer, where the rule allows it: every dialect × place × provider."""

from __future__ import annotations

import pytest

from gateway.core.ports import AnswerSink
from gateway.guards.vault import PLACEHOLDER
from tests.parity.cells import planted
from tests.parity.speakers import MODEL, SPEAKERS, asking_for, playing, spoken_to, texts_of, told_with, upstream
from tests.parity.test_answers import CELLS, read, said
from tests.support.rooms import Rooms, filed_once_and_in_time, run

RESTORED = [cell for cell in CELLS if cell[2] != "refusal" and said(cell[0], cell[2])]
EVERYWHERE = ("assistant_text", "reasoning", "tool_args:look")
ALLOWS = {"text": "assistant_text", "reasoning": "reasoning", "tool_argument": "tool_args:look"}
# A thought may be signed when it is whole: until then it stays as it was signed.
SIGNED_LATER = frozenset((("anthropic_messages", "reasoning", True), ("bedrock_converse", "reasoning", True)))


@pytest.mark.parametrize("allowed", [True, False], ids=["allowed", "elsewhere"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("dialect", "kind", "place"), RESTORED)
def test_a_masked_word_comes_back(dialect: str, kind: str, place: str, stream: bool, allowed: bool) -> None:
    async def test() -> None:
        spoken = spoken_to(dialect, kind)
        provider = SPEAKERS[spoken]
        where = (ALLOWS[place],) if allowed else tuple(each for each in EVERYWHERE if each != ALLOWS[place])

        def echo(sink: AnswerSink) -> None:
            found = PLACEHOLDER.search(rooms.wires[-1].sent.decode())
            assert found is not None
            answer = told_with(f"I saw {found.group()} there.", place)
            playing(provider.events(answer, (9, 4)) if stream else provider.answer(answer), spoken)(sink)

        rooms = Rooms(echo, planted("mask", "request", where), aliases={MODEL: upstream(kind)})
        asked = asking_for(place, dialect, "An osprey?")
        reply = await rooms.serve(SPEAKERS[dialect].ask(asked, stream=stream))
        filed_once_and_in_time(rooms.log)
        heard = texts_of(read(dialect, reply))[place]
        comes_back = allowed and (dialect, place, stream) not in SIGNED_LATER
        assert PLACEHOLDER.sub("osprey", heard) == "I saw osprey there."
        assert ("osprey" in heard) is comes_back
        assert (b"osprey" in reply.body) is comes_back

    run(test)
