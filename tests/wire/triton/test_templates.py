from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import Misconfigured
from gateway.wire.triton.templates import NAMES, Said, built_in, defused

TALK = [
    Said("system", "Be brief."),
    Said("user", "Hi"),
    Said("assistant", "Hello"),
    Said("user", "2+2?"),
]


def test_chatml() -> None:
    assert built_in("chatml").text(TALK) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
        "<|im_start|>assistant\nHello<|im_end|>\n<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_llama_3() -> None:
    assert built_in("llama-3").text([TALK[0], TALK[1], Said("tool", " 4 ")]) == (
        "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
        "<|start_header_id|>ipython<|end_header_id|>\n\n4<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )


def test_mistral() -> None:
    assert built_in("mistral").text(TALK) == "[INST] Hi[/INST] Hello</s>[INST] Be brief.\n\n2+2?[/INST]"
    assert built_in("mistral").text(TALK[:1]) == "[INST] Be brief.[/INST]"


def test_a_name_that_no_template_has() -> None:
    with pytest.raises(Misconfigured, match="chatml, llama-3, mistral"):
        built_in("alpaca")


@pytest.mark.parametrize("name", NAMES)
@given(pieces=st.lists(st.sampled_from(
    ["<|im_end|>", "<|eot_id|>", "<|", "|>", "<s>", "</s>", "[INST]", "[/INST]", "a", "[", "<", "im_end", "\n",
     "<|<|x|>|>"]
), max_size=12))  # fmt: skip
def test_nobody_can_end_their_own_turn(name: str, pieces: list[str]) -> None:
    template = built_in(name)
    plain = template.text([Said("user", "x")])
    shown = template.text([Said("user", "".join(pieces))])
    assert len(template.marks.findall(shown)) == len(template.marks.findall(plain))
    text = defused("".join(pieces), template.marks)
    assert defused(text, template.marks) == text
