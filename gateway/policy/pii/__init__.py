"""What the detector ``{use: pii}`` looks for, as data."""
