"""Attempts at providers: one try, its timers, its record."""
