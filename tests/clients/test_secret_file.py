from __future__ import annotations

from pathlib import Path

import pytest

from gateway.clients.secret_file import secret_in
from gateway.core.errors import Misconfigured


def test_a_secret_is_drawn_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "a" / "secret"
    secret = secret_in(path, 48)
    assert len(secret) == 48
    assert secret_in(path, 48) == secret
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["secret"]


def test_less_than_a_secret_is_none(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"short")
    with pytest.raises(Misconfigured, match="delete it"):
        secret_in(tmp_path / "secret", 32)
