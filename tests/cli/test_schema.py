from __future__ import annotations

import orjson
import pytest

from gateway.cli.main import main


@pytest.mark.parametrize(
    ("file", "keys"),
    [
        ("config", {"version", "listen", "operator", "stores", "providers", "models", "policies", "limits"}),
        ("policy", {"apiVersion", "kind", "metadata", "detectors", "rules", "tests"}),
    ],
)
def test_the_schema_of_a_file_is_printed_as_one_json_document(
    file: str, keys: set[str], capsys: pytest.CaptureFixture[str]
):
    assert main(["schema", file]) == 0
    schema = orjson.loads(capsys.readouterr().out)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert keys <= schema["properties"].keys()


def test_another_word_is_a_usage_error(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        main(["schema", "prices"])
    assert ended.value.code == 2
    assert "config" in capsys.readouterr().err
