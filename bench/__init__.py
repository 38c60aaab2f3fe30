"""Measurements: what keyfob costs, beside something known."""
