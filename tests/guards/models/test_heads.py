from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from gateway.core.errors import ModelFailed
from gateway.guards.models.heads import LISTING, Blend, Head, Scale, odds_of, read_arrays, read_bytes, read_judges
from tests.guards.models.made_heads import arrays, judge, write

BLEND = Blend(ngram=2.0, model=1.0, bias=0.5, low=-3.0, high=3.0)


def test_a_blend_clips_what_the_model_says_and_knows_its_bounds() -> None:
    ngram = np.array([0.0, 1.0, -2.0])
    low, high = BLEND.bounds(ngram)
    for said in (-100.0, -1.0, 0.0, 2.5, 100.0):
        made = BLEND(ngram, np.full(3, said))
        assert np.all((low <= made) & (made <= high))
    assert BLEND(ngram, np.full(3, 99.0)) == pytest.approx(high)


def test_a_scale_says_how_rare_a_score_is() -> None:
    scale = Scale((0.0, 2.0, 4.0), (odds_of(0.5), odds_of(0.1), odds_of(0.01)))
    values = scale.values(np.array([0.0, 2.0, 4.0]))
    assert values == pytest.approx([0.5, 0.75, 0.9087], abs=1e-3)
    beyond = scale.values(np.array([-50.0, -1.0, 1.0, 3.0, 6.0, 50.0]))
    assert np.all(np.diff(beyond) > 0)
    assert beyond[0] > 0.0
    assert beyond[-1] < 1.0


def test_a_head_is_its_network() -> None:
    made = Head(
        {
            "hidden": np.eye(2, dtype=np.float16),
            "hidden_bias": np.array([0.0, 1.0]),
            "out": np.array([[1.0], [10.0]]),
            "out_bias": np.array([0.5]),
        }
    )
    assert made(np.array([[2.0, 3.0], [-2.0, -3.0]])).tolist() == [[42.5], [0.5]]


def test_files_are_read_as_they_were_trained(tmp_path: Path) -> None:
    write(tmp_path, {"a.npz": arrays(x=[1, 2]), "b.json": b'{"c": ' + _encoded() + b"}"})
    assert read_arrays("a.npz", tmp_path)["x"].tolist() == [1, 2]
    assert read_judges("b.json", tmp_path)["c"] == judge()


def _encoded() -> bytes:
    return msgspec.json.encode(judge())


@pytest.mark.parametrize("broken", ["changed", "missing", "unlisted", "no listing", "bad listing"])
def test_a_file_that_is_not_the_trained_one_is_refused(tmp_path: Path, broken: str) -> None:
    write(tmp_path, {"a.npz": arrays(x=[1])})
    if broken == "changed":
        (tmp_path / "a.npz").write_bytes(arrays(x=[2]))
    elif broken == "missing":
        (tmp_path / "a.npz").unlink()
    elif broken == "unlisted":
        (tmp_path / LISTING).write_bytes(b"{}")
    elif broken == "no listing":
        (tmp_path / LISTING).unlink()
    else:
        (tmp_path / LISTING).write_bytes(b"[")
    with pytest.raises(ModelFailed):
        read_bytes("a.npz", tmp_path)


def test_what_is_no_array_or_no_judge_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"a.npz": b"no archive", "b.json": b"[1]"})
    with pytest.raises(ModelFailed):
        read_arrays("a.npz", tmp_path)
    with pytest.raises(ModelFailed):
        read_judges("b.json", tmp_path)


def test_no_pickle_is_read(tmp_path: Path) -> None:
    write(tmp_path, {"a.npz": arrays(x=np.array([{}], dtype=object))})
    with pytest.raises(ModelFailed):
        read_arrays("a.npz", tmp_path)
