"""Prints what the models of the guards are made from, as pip takes it. Run with the Python that Weighbridge is in."""

from __future__ import annotations

from gateway.guards.models.catalog import packages

for package in packages():
    print(f"{package.name}=={package.version} --hash=sha256:{package.sha256}")
