"""The composition root: configuration in, running processes out. The only room that knows every other."""
