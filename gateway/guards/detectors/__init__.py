"""What a policy may ask for by ``use``: a module a kind of detector, imported when a bundle first names it."""
