"""Whoever watches claims: recomputes them, and plays the games of the false ones."""
