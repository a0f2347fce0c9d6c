from __future__ import annotations

from functools import partial
from pathlib import Path

from gateway.app.declared import DeclaredNow
from tests.support.settings import good, load

TEXT = """
    version: 1
    identity: {{mode: keys, keys: [{{id: {}, key: env:KEY, team: red, endpoints: [chat]}}]}}
"""


def test_the_operator_sees_the_keys_of_the_file_as_it_is_now_and_no_secret(tmp_path: Path) -> None:
    environ = {"KEY": "wb-" + "k" * 40}
    declared = DeclaredNow(
        good(load(tmp_path, TEXT.format("one"), None, **environ)), partial(load, tmp_path, **environ)
    )
    (key,) = declared()
    assert (key.id, key.team, key.operations) == ("one", "red", ("chat",))
    assert environ["KEY"] not in repr(declared())
    (tmp_path / "weighbridge.yaml").write_text("version: 1\nidentity: {mode: nonsense}\n")
    assert [key.id for key in declared()] == ["one"]
    assert declared.limits() == ()
    limits = "    limits: [{{scope: team, match: {{}}, budget: {{usd: 5, per: month}}}}]\n"
    load(tmp_path, (TEXT + limits).format("another"), None, **environ)
    assert [key.id for key in declared()] == ["another"]
    (limit,) = declared.limits()
    assert (limit.scope, limit.budget and limit.budget.nanousd) == ("team", 5 * 10**9)
