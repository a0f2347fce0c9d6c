"""Tokens, prices, limits: reserve before the work, settle exactly once."""
