"""Checks on candidates for personal data: what is well formed by its issuer's rules, and what only looks like it."""
