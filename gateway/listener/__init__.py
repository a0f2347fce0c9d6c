"""Sockets in: the hot side on httptools, the cold side on aiohttp, one Reply in front of both."""
