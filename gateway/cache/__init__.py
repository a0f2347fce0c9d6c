"""Answers that are given again: what is the same question, what may be kept, and how it is told once more."""
