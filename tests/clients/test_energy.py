from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.clients.energy import Ecologits, Energy
from gateway.core.errors import MalformedRequest, PackageMissing
from tests.support.ecologits_like import write_package


def forget() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "ecologits"]:
        del sys.modules[name]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    forget()
    monkeypatch.syspath_prepend(str(write_package(tmp_path)))
    yield tmp_path
    forget()


@pytest.mark.usefixtures("package")
def test_calls_and_tokens_add_up_as_a_range() -> None:
    source = Ecologits("FRA")
    assert source.name == "ecologits 0.11.like"
    found = source.estimate("openai", "gpt-4o-mini", 4, 1_022)
    assert found is not None
    # 4 calls of 0.5, and 1,022 tokens.
    assert (found.kwh_low, found.kwh_high) == pytest.approx((1.0, 2.0))
    assert (found.gco2e_low, found.gco2e_high) == pytest.approx((50.0, 100.0))
    alone = source.estimate("Anthropic", "claude-haiku-4-5", 2, 1_023)
    assert alone is not None
    assert (alone.kwh_low, alone.kwh_high) == pytest.approx((3.0, 3.0))
    assert found.plus(alone).kwh_high == pytest.approx(5.0)
    assert source.estimate("openai", "gpt-4o-mini", 0, 0) == Energy()


@pytest.mark.usefixtures("package")
def test_each_model_is_asked_for_a_few_times_only_and_unknown_ones_never() -> None:
    source = Ecologits()
    for calls in range(100):
        assert source.estimate("openai", "gpt-4o-mini", calls, 7) is not None
        assert source.estimate("openai", f"model-{calls}", 1, 7) is None
        # A server of somebody's own that speaks as OpenAI does.
        assert source.estimate("my-openai", "gpt-4o-mini", 1, 7) is None
        assert source.estimate("", "", 1, 0) is None
    asked = sys.modules["ecologits.tracers.utils"].ASKED
    assert asked == [("openai", "gpt-4o-mini", tokens) for tokens in (0, 1_000, 100_000)]


def test_a_zone_that_nobody_knows_is_refused_and_loggers_stay_ours(package: Path) -> None:
    kind = logging.getLoggerClass()
    with pytest.raises(MalformedRequest) as caught:
        Ecologits("QQQ")
    assert caught.value.param == "energy_zone"
    assert logging.getLoggerClass() is kind
    assert str(package) in str(sys.modules["ecologits"].__file__)


def test_without_the_package_its_user_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    forget()
    monkeypatch.setitem(sys.modules, "ecologits", None)
    with pytest.raises(PackageMissing, match="pip install ecologits") as caught:
        Ecologits()
    assert (caught.value.status, caught.value.param) == (400, "energy")


@pytest.mark.usefixtures("package")
def test_a_version_that_reckons_otherwise_is_not_believed(package: Path) -> None:
    with pytest.raises(PackageMissing, match=r"0\.11"):
        Ecologits().estimate("openai", "crooked", 1, 1)
    forget()
    tracers = package / "ecologits" / "tracers" / "utils.py"
    tracers.write_text(tracers.read_text().replace("def llm_impacts", "def other_impacts"))
    with pytest.raises(PackageMissing, match=r"0\.11"):
        Ecologits()
    forget()
    tracers.write_text(tracers.read_text().replace("def other_impacts(provider, ", "def llm_impacts("))
    with pytest.raises(PackageMissing, match=r"0\.11"):
        Ecologits().estimate("openai", "gpt-4o-mini", 1, 1)
