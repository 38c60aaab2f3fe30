"""``keyfob login`` and ``keyfob logout``. The client opens the browser and shows codes: it has the person's desktop."""

from __future__ import annotations

import contextlib
import os
import sys

from keyfob import ask, config_files, environment, terminal, wire
from keyfob.commands import role
from keyfob.errors import ClientError, Refused, Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Iterator, Mapping


WITHOUT_KEYRING = "To keep sign-ins in a private file, set KEYFOB_STORAGE_KIND=key-file, then run: keyfob restart"
"""The way out where nobody can be asked."""


class Ways:
    """How a sign-in is to be shown to the person. ``no_browser_since`` is why a code is used though nobody said so."""

    __slots__ = ("browser", "device_code", "no_browser_since", "qr")

    def __init__(
        self, *, device_code: bool = False, browser: bool = True, qr: bool = False, no_browser_since: str = ""
    ) -> None:
        self.device_code = device_code
        self.browser = browser
        self.qr = qr
        self.no_browser_since = no_browser_since

    def here(self) -> Ways:
        """What of it can be done where this process runs."""
        reason = no_browser_here(os.environ, sys.platform)
        return Ways(
            device_code=self.device_code or bool(reason),
            browser=self.browser and not reason,
            qr=self.qr,
            no_browser_since="" if self.device_code else reason,
        )


class Ended(ClientError):
    """The sign-in ended without one, and the daemon said why."""

    def __init__(self, event: Mapping[str, object]) -> None:
        super().__init__(str(event.get("message") or "The sign-in failed."), str(event.get("hint") or ""))
        self.exit_status = int(str(event.get("exit", wire.EXIT_FAILED)))


def no_browser_here(environ: Mapping[str, str], platform: str) -> str:
    """Why a browser started here would be none of the person's, so that only a code can do; empty if one would be."""
    if environ.get("BROWSER"):
        return ""
    if any(environ.get(name) for name in ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")):
        return "this is an ssh session, and the browser is probably on another machine"
    if platform == "darwin" or environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"):
        return ""
    return "" if environ.get("WSL_DISTRO_NAME") else "there is no display for a browser here"


def run_login(options: Namespace) -> int:
    """Exit status. Raises ClientError."""
    ways = Ways(device_code=options.device_code, browser=not options.no_browser, qr=options.qr)
    start = not options.no_start
    if options.all:
        if options.session or options.profile or options.sso_session:
            raise Usage("login: --all means every session; leave out the name.")
        requests: list[wire.LoginRequest] = [{"session": name} for name in _sessions_to_sign_in(options, start=start)]
    else:
        requests = [named(options)]
        say_network_differs(ask.ask(wire.STATUS, {}, start=start))
    for request in requests:
        sign_in({**request, "force": True} if options.force else request, ways, start=start)
    return wire.EXIT_DONE


def named(options: Namespace) -> wire.LoginRequest:
    """Which session: a name, ``--sso-session``, ``--profile``, or AWS_PROFILE where nothing is typed. Raises Usage."""
    typed = [name for name in (options.session, options.sso_session, options.profile) if name]
    if len(typed) > 1:
        raise Usage("SESSION, --sso-session and --profile are three ways to say one thing: use one.")
    session = options.session or options.sso_session
    if session:
        return {"session": session}
    profile = options.profile or os.environ.get("AWS_PROFILE")
    return {"profile": profile} if profile else {}


def _sessions_to_sign_in(options: Namespace, *, start: bool) -> list[str]:
    status = ask.ask(wire.STATUS, {}, start=start)
    say_network_differs(status)
    sessions = status["sessions"]
    if not sessions:
        raise ClientError("There is no session in ~/.aws/config.", "Run: aws configure sso")
    names = [s["name"] for s in sessions if options.force or s["state"] not in ("signed-in", "offline")]
    if not names:
        terminal.say("Signed in to every session already.")
    return names


def sign_in(request: wire.LoginRequest, ways: Ways, *, start: bool) -> None:
    """Shows what the person must visit, and returns when they have signed in. Raises ClientError."""
    ways = ways.here()
    request = {**request, "config_file": config_files.path_of("AWS_CONFIG_FILE", os.environ)}
    if ways.device_code:  # else the session's setting decides
        request["flow"] = "device"
    try:
        done = _follow(ask.ask_lines(wire.LOGIN, request, start=start), ways)
    except Refused as refused:
        if refused.code != "ambiguous-target" or not refused.candidates or not terminal.interactive():
            raise role.with_origin(refused, request) from refused
        chosen = terminal.choose(f"{refused.message} Which one?", refused.candidates)
        again: wire.LoginRequest = {**request, "session": chosen}
        again.pop("profile", None)
        done = _follow(ask.ask_lines(wire.LOGIN, again), ways)
    _finish(done)


def _follow(events: Iterable[wire.Answer], ways: Ways) -> wire.Answer:
    waiting = False
    for event in events:
        match event.get("event"):
            case "visit":
                _show(event["url"], event.get("code", ""), ways)
            case "waiting" if not waiting:
                waiting = True
                terminal.say("Waiting for the sign-in; Ctrl-C ends it.")
            case "done":
                return event
            case "failed":
                raise Ended(event)
            case _:
                pass  # a word of a newer daemon
    raise ClientError("keyfobd ended in the midst of the sign-in.", "Run: keyfob login")


def _show(url: str, code: str, ways: Ways) -> None:
    if ways.no_browser_since:
        terminal.say(f"Signing in with a code: {ways.no_browser_since}.")
    opened = ways.browser and _opened(url)
    if opened:
        terminal.say("A browser opens to sign in. If it does not, visit:")
    else:
        terminal.say("To sign in, visit:")
    terminal.say(f"\n  {url}\n")
    if code:
        terminal.say(f"and see that the page shows this code: {code}\n")
    if ways.qr:
        _draw(url)


def _opened(url: str) -> bool:
    import webbrowser  # noqa: PLC0415 - 10 ms that only a sign-in needs

    with _nobody_elses_pipes():
        try:
            return webbrowser.open(url)
        except (webbrowser.Error, OSError):
            return False


@contextlib.contextmanager
def _nobody_elses_pipes() -> Iterator[None]:
    """A browser lives on and keeps what it inherits: with our stdout, ``eval "$(keyfob env)"`` would wait for its end
    and evaluate its chatter. A terminal it may have: ``BROWSER=lynx``."""
    kept = {number: os.dup(number) for number in (1, 2) if not os.isatty(number)}
    nothing = os.open(os.devnull, os.O_WRONLY)
    for number in kept:
        os.dup2(nothing, number)
    try:
        yield
    finally:
        for number, before in kept.items():
            os.dup2(before, number)
            os.close(before)
        os.close(nothing)


def _draw(url: str) -> None:
    import segno  # noqa: PLC0415 - only for --qr

    segno.make(url, micro=False).terminal(out=sys.stderr, compact=True)


def _finish(done: wire.Answer) -> None:
    session, start_url = done.get("session", ""), done.get("start_url", "")
    storage: wire.StorageAnswer = done.get("storage") or {"kind": "keyring", "detail": None}
    if done.get("already"):
        terminal.say(f"Already signed in to {session}. To sign in anew: keyfob login {session} --force")
    offered = storage.get("offer_key_file", False)
    taken = offered and terminal.interactive() and _key_file_taken(session, storage)
    for line in () if taken else done.get("notes", ()):
        terminal.note(line)
    if offered and not terminal.interactive():
        terminal.note(WITHOUT_KEYRING)
    if not done.get("already"):
        terminal.say(f"Successfully logged into Start URL: {start_url}")


def _key_file_taken(session: str, storage: wire.StorageAnswer) -> bool:
    """Whether the person took the key file, and there is one now. Whatever comes of it, they are signed in."""
    try:
        return _offer_key_file(storage)
    except KeyboardInterrupt:
        terminal.say("")
        terminal.note(f"Signed in to {session} all the same, until the daemon stops.")
        raise
    except ClientError as error:
        terminal.note(str(error))
        return False


def _offer_key_file(storage: wire.StorageAnswer) -> bool:
    """The daemon offers nothing itself: it has nobody to ask. Raises ClientError, KeyboardInterrupt."""
    terminal.say(
        f"This sign-in would end with the daemon: {storage['detail']}.\n"
        "It can be kept in a file whose key lies beside it, in a file of yours alone. That protects as a private file\n"
        "does, no better than the AWS CLI's own cache: whoever can read your files can read it."
    )
    if not terminal.confirm("Keep it so?"):
        return False
    request: wire.StorageRequest = {"kind": "key-file"}
    ask.ask(wire.STORAGE, request)
    terminal.say("Kept.")
    return True


def say_network_differs(status: wire.Answer) -> None:
    """One line where this shell's proxy, CA or endpoint variables are others than the daemon's."""
    names = environment.network_differs(os.environ, status["daemon"]["network"])
    if names:
        terminal.note(f"keyfobd runs with another {', '.join(names)} than this shell has. To change: keyfob restart")


def run_logout(options: Namespace) -> int:
    """Exit status: 5 where the portal could not be told. Raises ClientError."""
    request: wire.LogoutRequest = {"config_file": config_files.path_of("AWS_CONFIG_FILE", os.environ)}
    if options.all:
        request["all"] = True
    else:
        request.update(named(options))  # type: ignore[typeddict-item]  # the same fields
    ended: list[wire.LoggedOut] = ask.ask(wire.LOGOUT, request)["sessions"]
    for session in ended:
        terminal.say(_farewell(session))
    unreached = any(session["portal"] == "not-reached" for session in ended)
    return wire.EXIT_UNREACHABLE if unreached else wire.EXIT_DONE


def _farewell(session: wire.LoggedOut) -> str:
    match session["portal"]:
        case "signed-out":
            return f"Signed out of {session['name']}."
        case "was-not-signed-in":
            return f"Was not signed in to {session['name']}."
        case "not-reached":
            detail = f" ({session['detail']})" if session["detail"] else ""
            return (
                f"Forgot the tokens of {session['name']}, but Identity Center was not reached{detail}: "
                "there the session goes on until it ends by itself."
            )
