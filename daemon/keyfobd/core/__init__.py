"""Decisions: pure functions of their arguments. No clock, no I/O, no asyncio."""
