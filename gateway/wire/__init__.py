"""Dialects: bytes to values and back. No I/O, no clock; dialects do not know each other."""
