"""Shells that not every machine has read back what keyfob prints for them, as sh and bash do in the unit tests."""

from __future__ import annotations

import pytest

from support import shells

SHELLS = [pytest.param(name, marks=pytest.mark.needs(name)) for name in ("zsh", "fish")]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_reads_back_every_value_whatever_is_in_it(shell: str) -> None:
    shells.reads_back(shell, shell)


@pytest.mark.parametrize("shell", SHELLS)
def test_what_fails_closed_unsets_and_then_fails_with_its_status(shell: str) -> None:
    shells.fails_closed(shell, shell)
