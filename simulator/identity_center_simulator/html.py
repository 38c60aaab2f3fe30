"""The look of the simulator's pages. Each says what it is."""

from __future__ import annotations

from html import escape

from aiohttp import web

_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:36em;margin:3em auto;padding:0 1em}"
    ".notice{background:#fff3cd;border:1px solid #e0c060;padding:.5em 1em}button,select,input{font:inherit}"
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}


def page(title: str, body: str, status: int = 200) -> web.Response:
    """A page; ``body`` is HTML."""
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)} – simulator</title>'
        f"<style>{_STYLE}</style></head><body>"
        '<p class="notice">This is the IAM Identity Center <strong>simulator</strong>, for development and CI. '
        "It is not AWS, and nothing here is real.</p>"
        f"<h1>{escape(title)}</h1>{body}</body></html>\n"
    )
    return web.Response(status=status, text=text, content_type="text/html", headers=_HEADERS)


def message(title: str, text: str, status: int = 200) -> web.Response:
    """A page of one sentence."""
    return page(title, f"<p>{escape(text)}</p>", status)


def consent(client: str, users: list[str], likely: str | None, ticket: str, user_code: str | None) -> web.Response:
    """Who are you, and may this program have access? A browser and a script send the same form to ``/sign-in``.
    ``likely``: the user who is chosen unless somebody chooses another."""
    chosen = "".join(
        f'<option value="{escape(user)}"{" selected" if user == likely else ""}>{escape(user)}</option>'
        for user in users
    )
    code = (
        "" if user_code is None else f"<p>Confirm that your device shows the code <code>{escape(user_code)}</code></p>"
    )
    return page(
        "Allow access?",
        f"<p><strong>{escape(client)}</strong> asks for access to your AWS accounts and roles.</p>{code}"
        '<form method="post" action="/sign-in">'
        f'<input type="hidden" name="ticket" value="{escape(ticket)}">'
        f'<p><label>Sign in as <select name="user">{chosen}</select></label></p>'
        '<p><button name="decision" value="Allow">Allow</button> <button name="decision" value="Deny">Deny</button></p>'
        "</form>",
    )


def code_form() -> web.Response:
    """Where a person types the code that a device shows."""
    return page(
        "Authorize a device",
        '<form method="get" action="/device"><p><label>Code <input name="user_code" autocomplete="off" autofocus>'
        "</label> <button>Next</button></p></form>",
    )
