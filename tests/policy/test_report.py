from __future__ import annotations

from gateway.policy.load import bundle_of

HEAD = "apiVersion: weighbridge/v1\nkind: Policy\nmetadata: {name: n}\n"


def test_a_name_belongs_to_whoever_gave_it_first_and_its_place_is_known():
    text = HEAD + "detectors: {a: {use: secrets}}\nrules:\n- {id: r, when: a, do: block, mode: audit}\n"
    loaded = bundle_of([("one", text), ("two", text)])
    assert [str(problem) for problem in loaded.problems] == ["two:6: rules[0].id: rule 'r' is there already, at one:6"]
    assert str(loaded.compiled.places["rule", "r"]) == "one:6: "
    assert str(loaded.compiled.places["detector", "a"]) == "one:4: "
