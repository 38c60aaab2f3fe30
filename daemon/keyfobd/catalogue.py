"""Listing the accounts and roles that a session is entitled to, at a pace that is never throttled."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, TypeVar

from keyfobd.core.errors import Unreachable
from keyfobd.core.model import Account, CatalogueEntry, Session
from keyfobd.limiter import Priority, Urgency

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from keyfobd.held_session import HeldSession

T = TypeVar("T")

MOST_PAGES = 1000
"""No instance has that many pages; one that goes on for ever is broken."""

Page = tuple[tuple[T, ...], str | None]


class Lister(Protocol):
    """The two operations that list."""

    async def accounts(self, session: Session, access_token: str, page: str | None) -> Page[Account]: ...
    async def account_roles(
        self, session: Session, access_token: str, account_id: str, page: str | None
    ) -> Page[str]: ...


async def entitlements(held: HeldSession, center: Lister) -> tuple[CatalogueEntry, ...]:
    """Every account with its roles, in the order of their names. Raises what keeps Identity Center from answering;
    half a list is none."""
    session = held.session

    async def accounts_page(page: str | None) -> Page[Account]:
        return await held.call(Urgency(Priority.LISTING), lambda token: center.accounts(session, token, page))

    async def entry(account: Account) -> CatalogueEntry:
        async def roles_page(page: str | None) -> Page[str]:
            return await held.call(
                Urgency(Priority.LISTING),
                lambda token: center.account_roles(session, token, account.account_id, page),
            )

        return CatalogueEntry(account, tuple(sorted(set(await _all_pages(roles_page)))))

    accounts = {account.account_id: account for account in await _all_pages(accounts_page)}
    entries = await _all_or_first_error([entry(account) for account in accounts.values()])
    return tuple(sorted(entries, key=lambda e: ((e.account.name or "").lower(), e.account.account_id)))


async def _all_pages(fetch: Callable[[str | None], Awaitable[Page[T]]]) -> list[T]:
    items: list[T] = []
    page: str | None = None
    seen: set[str | None] = {None}
    for _ in range(MOST_PAGES):
        some, page = await fetch(page)
        items.extend(some)
        if page in seen:  # the end, or a page that we have had
            return items
        seen.add(page)
    raise Unreachable("Identity Center lists accounts without an end.", "Run: keyfob status")


async def _all_or_first_error(coming: list[Awaitable[T]]) -> list[T]:
    tasks = [asyncio.ensure_future(c) for c in coming]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
