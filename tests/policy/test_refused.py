from __future__ import annotations

from gateway.policy.load import bundle_of
from gateway.policy.refused import refused_patterns

HEAD = "apiVersion: weighbridge/v1\nkind: Policy\nmetadata: {name: n}\n"


def test_only_what_the_engine_itself_refuses_is_told_by_its_line():
    text = HEAD + (
        "detectors:\n"
        "  keys: {use: secrets}\n"
        "  words:\n"
        "    use: pattern\n"
        "    patterns:\n"
        "      - 'osprey'\n"
        "      - '[a-z]{1,1000}'\n"
        "      - 'endless.*'\n"
        "      - 'straße'\n"
    )
    assert [str(problem) for problem in refused_patterns(bundle_of([("p", text)]).files)] == [
        "p:10: detectors.words.patterns[1]: Hyperscan refuses it: Pattern is too large."
    ]
