"""How the models that the product ships were made: corpora in, heads, calibration tables and reports out.

Not part of the wheel. Features, windows and sentences come from ``gateway.guards.models``, so that what is learned and
what is served cannot differ.
"""
