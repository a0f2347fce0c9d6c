"""Detectors over segments: whole documents and streams."""
