"""Views of a text: the same words without what hides them, each with a way back to the original's characters."""
