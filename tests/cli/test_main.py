"""The command itself: what it knows, and what it says of the rest."""

from __future__ import annotations

import pytest

from gateway.cli.main import COMMANDS, LATER, main


@pytest.mark.parametrize("name", LATER)
def test_what_is_not_built_is_refused_by_name(name, capsys):
    assert main([*name.split(), "--whatever"]) == 2
    assert f"'{name}' is not yet available" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert "weighbridge" in capsys.readouterr().out


def test_an_unknown_command_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["nonsense"])
    assert ended.value.code == 2
    assert "nonsense" in capsys.readouterr().err
