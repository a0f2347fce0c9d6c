"""Every family is there, also while nobody has anything to tell."""

from __future__ import annotations

from gateway.operator.deployment_families import deployment_families


def test_names_are_there_from_the_start_and_only_once():
    names = [family.name for family in deployment_families([], [])]
    assert len(names) == len(set(names)) >= 10
    assert all(not family.samples for family in deployment_families([], []))
