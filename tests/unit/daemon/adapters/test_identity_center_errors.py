"""What can go wrong on the way to Identity Center, and what it is called. A loopback server plays all of it."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fakes import FakeClock
from keyfobd.adapters.folders import Folders
from keyfobd.adapters.identity_center import IdentityCenter
from keyfobd.adapters.settings import Settings
from keyfobd.core.errors import (
    Busy,
    ConfigProblem,
    KeyfobError,
    NotPermitted,
    RegistrationGone,
    TokenRejected,
    Unreachable,
)
from keyfobd.core.model import Registration, RoleCredentials, Session, SsoRole
from support.scripted_server import (
    Authority,
    Script,
    answering,
    dripping,
    hanging,
    resetting,
    sending,
    serving,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

NOBODY = Path("/nonexistent")
SETTINGS = Settings(folders=Folders(NOBODY, NOBODY, NOBODY, NOBODY), aws_config_file=NOBODY)
SHORT = replace(SETTINGS, connect_timeout=0.05, read_timeout=0.05)
SESSION = Session("dev", "https://d-1234567890.awsapps.com/start", "eu-west-1")
ROLE = SsoRole("dev", "111122223333", "Admin")
REGISTRATION = Registration("client-id", "client-s3cret", 2_000_000_000, "pkce")
TOKEN = "access-s3cret"

CLOCK = FakeClock()
EXPIRATION = int(CLOCK.now().wall) * 1000 + 3600_000
GOOD: dict[str, Any] = {
    "roleCredentials": {
        "accessKeyId": "ASIA0000000000000000",
        "secretAccessKey": "s3cret",
        "sessionToken": "s3cret",
        "expiration": EXPIRATION,
    }
}
FORBIDDEN = {"message": "No access", "__type": "com.amazonaws.switchboard.portal#ForbiddenException"}
UNAUTHORIZED = {
    "message": "Session token not found or invalid",
    "__type": "com.amazonaws.switchboard.portal#UnauthorizedException",
}


def at(url: str, settings: Settings = SETTINGS) -> IdentityCenter:
    return IdentityCenter(replace(settings, endpoint_sso=url, endpoint_sso_oidc=url), FakeClock())


async def fetch(center: IdentityCenter) -> RoleCredentials:
    return await center.role_credentials(SESSION, TOKEN, ROLE)


async def refresh(center: IdentityCenter) -> Any:
    return await center.refresh(SESSION, REGISTRATION, "refresh-s3cret")


async def failure(center: IdentityCenter, ask: Callable[[IdentityCenter], Awaitable[Any]] = fetch) -> KeyfobError:
    """The error of a call, which holds nothing secret."""
    with pytest.raises(KeyfobError) as caught:
        await ask(center)
    error = caught.value
    assert "s3cret" not in f"{error} {error!r} {error.hint}"
    return error


async def failure_of(script: Script, settings: Settings = SETTINGS) -> KeyfobError:
    async with serving(script) as server:
        return await failure(at(server.url, settings))


# --- no answer


async def test_a_refused_connection_names_the_host_and_the_reason() -> None:
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        error = await failure(at(f"http://127.0.0.1:{nobody_listens.getsockname()[1]}"))
    assert type(error) is Unreachable
    assert error.message == "Could not connect to 127.0.0.1: connection refused."


async def test_a_name_that_cannot_be_resolved_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_such_name(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    center = at("https://portal.sso.example.invalid")
    await center.preload([SESSION.region])
    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    error = await failure(center)
    assert error.message == "Could not connect to portal.sso.example.invalid: the name cannot be resolved."


async def test_a_reset_connection_is_said() -> None:
    error = await failure_of(resetting)
    assert error.message == "127.0.0.1 broke the connection off."


async def test_a_server_that_never_answers_is_given_up() -> None:
    error = await failure_of(hanging, SHORT)
    assert error.message == "127.0.0.1 did not answer in time."


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"


@pytest.mark.parametrize("at_once", [0, len(HEAD)], ids=["its headers", "its body"])
async def test_a_server_that_drips_is_given_up_as_a_whole_and_frees_its_thread(at_once: int) -> None:
    async with serving(dripping(HEAD, at_once)) as server:
        center = at(server.url, SHORT)
        error = await failure(center)
        assert error.message in ("127.0.0.1 did not answer in time.", "127.0.0.1 answered too slowly.")
        # Its thread was hung up on: it ends though the server drips on.
        for thread in [t for t in threading.enumerate() if t.name == "identity-center dev"]:
            await asyncio.to_thread(thread.join)


async def test_a_hung_session_does_not_keep_another_from_its_credentials() -> None:
    async def hang_or_answer(writer: asyncio.StreamWriter) -> None:
        healthy = b"account_id=999999999999" in server.requests[-1]
        await (answering(GOOD)(writer) if healthy else hanging(writer))

    async with serving(hang_or_answer) as server:
        center = at(server.url)
        hung = [asyncio.create_task(fetch(center)) for _ in range(50)]
        await server.connected(8)  # all that one session may have
        other, role = replace(SESSION, name="other"), replace(ROLE, account_id="999999999999")
        assert (await center.role_credentials(other, TOKEN, role)).role == role
        assert server.connections == 9
        for task in hung:
            task.cancel()
        await asyncio.gather(*hung, return_exceptions=True)


# --- an answer that is none


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (answering(b"<html>Welcome, guest!</html>", content_type="text/html"), "200 with a web page"),
        (answering(b"  <!DOCTYPE html>"), "200 with a web page"),
        (answering(b"<html>policy</html>", 403, content_type="text/html; charset=utf-8"), "403 with a web page"),
        (answering(b"<html>who are you?</html>", 401, content_type="text/html"), "401 with a web page"),
        (answering(b"<html>down</html>", 503, content_type="text/html"), "answered 503"),
        (answering({"message": "oops"}, 500), "answered 500"),
        (answering(json.dumps(GOOD).encode()[:-20]), "broken or cut off"),
        (answering(b"[1, 2]"), "broken or cut off"),
        (answering(b"", 403), "broken or cut off"),
        (answering(b"\xff\xfe"), "broken or cut off"),
        (answering(b"[" * 100_000), "broken or cut off"),
        (sending(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{}"), "broke the connection off"),
        (sending(b"SSH-2.0-OpenSSH_9.2\r\n"), "broke the connection off"),
        (sending(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n"), "broke the connection off"),
        (answering({"message": "who?"}, 407), "wants a password"),
        (answering({"message": "?", "__type": "x#SomethingNew"}, 400), "refused the request (400 SomethingNew)"),
        (answering({"message": "no type"}, 403), "refused the request (403"),
        (answering({"message": "no type"}, 401), "refused the request (401"),
    ],
)  # fmt: skip
async def test_what_is_no_answer_of_identity_center_is_unreachable_and_says_why(script: Script, message: str) -> None:
    error = await failure_of(script)
    assert type(error) is Unreachable
    assert message in error.message


async def test_a_redirect_is_not_followed_and_names_where_it_leads() -> None:
    async with serving(answering(GOOD)) as elsewhere:
        redirect = answering(b"", 307, location=elsewhere.url + "/federation/credentials")
        error = await failure_of(redirect)
        assert elsewhere.connections == 0
    assert error.message == "127.0.0.1 answered with a redirect to 127.0.0.1, which is not followed."


async def test_a_longer_answer_than_any_is_not_read_to_its_end() -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b" " * 65536)
            await writer.drain()

    assert "more than 4194304 bytes" in (await failure_of(endless)).message


@pytest.mark.parametrize(
    "script",
    [
        answering({"message": "HTTP 429 Unknown Code", "__type": "x#TooManyRequestsException"}, 429),
        answering(b"<html>slow down</html>", 429, content_type="text/html"),
        answering({"error": "slow_down"}, 400, x_amzn_errortype="SlowDownException:http://internal.amazon.com/"),
    ],
)
async def test_a_throttle_is_busy_rather_than_unreachable(script: Script) -> None:
    assert type(await failure_of(script)) is Busy


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_call_is_made_once_and_never_repeated(status: int) -> None:
    async with serving(answering({"message": "?"}, status)) as server:
        await failure(at(server.url))
        assert server.connections == 1


# --- an answer that is one


async def test_401_of_the_portal_rejects_the_token() -> None:
    assert type(await failure_of(answering(UNAUTHORIZED, 401))) is TokenRejected


async def test_403_no_access_is_about_the_role() -> None:
    error = await failure_of(answering(FORBIDDEN, 403))
    assert type(error) is NotPermitted
    assert "Admin in account 111122223333" in error.message
    assert error.hint == "Run: keyfob list --refresh --sso-session dev"


async def test_the_oidc_error_is_told_by_its_header_alone() -> None:
    body = {"error": "invalid_client", "error_description": "Invalid client provided"}
    script = answering(body, 401, x_amzn_errortype="InvalidClientException:http://internal.amazon.com/coral/")
    async with serving(script) as server:
        assert type(await failure(at(server.url), refresh)) is RegistrationGone


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"roleCredentials": None},
        {"roleCredentials": "text"},
        {"roleCredentials": []},
        {"roleCredentials": GOOD["roleCredentials"] | {"accessKeyId": None}},
        {"roleCredentials": GOOD["roleCredentials"] | {"accessKeyId": 5}},
        {"roleCredentials": GOOD["roleCredentials"] | {"secretAccessKey": ""}},
        {"roleCredentials": GOOD["roleCredentials"] | {"sessionToken": {"a": 1}}},
        {"roleCredentials": GOOD["roleCredentials"] | {"expiration": str(EXPIRATION)}},
        {"roleCredentials": GOOD["roleCredentials"] | {"expiration": True}},
        {"roleCredentials": GOOD["roleCredentials"] | {"expiration": 0}},
        {"roleCredentials": GOOD["roleCredentials"] | {"expiration": EXPIRATION - 3600_000}},
        {"roleCredentials": GOOD["roleCredentials"] | {"expiration": EXPIRATION // 1000}},
        {"roleCredentials": GOOD["roleCredentials"] | {"expiration": 10**400}},
        {"roleCredentials": GOOD["roleCredentials"] | {"expiration": EXPIRATION + 24 * 3600_000}},
    ],
)
async def test_role_credentials_that_make_no_sense_are_not_held(wrong: dict[str, Any]) -> None:
    error = await failure_of(answering(wrong))
    assert type(error) is Unreachable
    assert "without sense" in error.message


@pytest.mark.parametrize("expires_in", [0, -1, "3600", 10**10, 10**400, None, True, 1.5e300, [3600]])
async def test_tokens_whose_time_makes_no_sense_are_not_held(expires_in: object) -> None:
    answer = {"accessToken": "s3cret", "tokenType": "Bearer", "expiresIn": expires_in, "refreshToken": "s3cret"}
    async with serving(answering(answer)) as server:
        error = await failure(at(server.url), refresh)
    assert type(error) is Unreachable
    assert error.message == "127.0.0.1 answered without sense: expiresIn is missing or wrong."


async def test_a_null_refresh_token_is_none_and_the_old_one_is_kept() -> None:
    answer = {"accessToken": "new", "expiresIn": 3600, "refreshToken": None, "idToken": None}
    async with serving(answering(answer)) as server:
        tokens = await refresh(at(server.url))
    assert tokens.refresh_token == "refresh-s3cret"


@pytest.mark.parametrize("page", ["javascript:alert(1)", "http://elsewhere.example", "file:///etc/passwd", "", 7])
async def test_a_page_that_no_browser_should_be_sent_to_is_refused(page: object) -> None:
    answer = {
        "deviceCode": "code",
        "userCode": "BCDF-GHJK",
        "verificationUri": page,
        "verificationUriComplete": page,
        "expiresIn": 600,
        "interval": 1,
    }
    async with serving(answering(answer)) as server:
        error = await failure(at(server.url), lambda c: c.start_device_authorization(SESSION, REGISTRATION))
    assert "verificationUri" in error.message


# --- proxies


async def test_a_proxy_that_wants_a_password_is_said() -> None:
    async with serving(sending(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")) as proxy:
        error = await failure(at("https://portal.sso.example.invalid", replace(SETTINGS, proxy=proxy.url)))
        assert proxy.requests[0].startswith(b"CONNECT portal.sso.example.invalid:443 ")
    assert error.message == "A proxy answered 407 for portal.sso.example.invalid: it wants a password."
    assert "[network] proxy" in error.hint


async def test_a_proxy_gets_the_password_it_was_given_and_no_token() -> None:
    async with serving(sending(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")) as proxy:
        url = proxy.url.replace("//", "//me:s3cret%21@")
        error = await failure(at("https://portal.sso.example.invalid", replace(SETTINGS, proxy=url)))
        assert b"authorization: basic bwu6cznjcmv0iq==" in proxy.requests[0].lower()  # me:s3cret!
        assert TOKEN.encode() not in proxy.requests[0]
    assert error.message == "A proxy answered 502 for portal.sso.example.invalid."


async def test_a_proxy_that_is_not_there_is_said() -> None:
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        proxy = f"http://me:s3cret@127.0.0.1:{nobody_listens.getsockname()[1]}"
        error = await failure(at("https://portal.sso.example.invalid", replace(SETTINGS, proxy=proxy)))
    assert error.message == "The proxy on the way to portal.sso.example.invalid cannot be reached."


async def test_no_proxy_is_obeyed_for_names_and_their_domains(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_such_name(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async with serving(hanging) as proxy:
        settings = replace(SETTINGS, proxy=proxy.url, no_proxy="localhost,.example.invalid")
        center = at("https://portal.sso.example.invalid", settings)
        await center.preload([SESSION.region])
        monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
        error = await failure(center)
        assert proxy.connections == 0
    assert "cannot be resolved" in error.message


async def test_loopback_never_goes_through_a_proxy() -> None:
    async with serving(hanging) as proxy, serving(answering(GOOD)) as server:
        assert (await fetch(at(server.url, replace(SETTINGS, proxy=proxy.url)))).role == ROLE
        assert proxy.connections == 0


# --- TLS


async def test_a_certificate_of_an_authority_in_the_bundle_is_trusted(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with serving(answering(GOOD), authority.server_context()) as server:
        assert (await fetch(at(server.url, replace(SETTINGS, ca_bundle=authority.bundle)))).role == ROLE


async def test_an_unknown_authority_is_not_trusted_and_the_setting_is_named(tmp_path: Path) -> None:
    async with serving(answering(GOOD), Authority(tmp_path).server_context()) as server:
        error = await failure(at(server.url))
        assert server.requests == []
    assert error.message == "The certificate of 127.0.0.1 is not trusted."
    assert "[network] ca_bundle" in error.hint


async def test_the_system_s_certificates_do_not_include_a_test_s_own(tmp_path: Path) -> None:
    async with serving(answering(GOOD), Authority(tmp_path).server_context()) as server:
        error = await failure(at(server.url, replace(SETTINGS, ca_bundle="system")))
    assert error.message == "The certificate of 127.0.0.1 is not trusted."


async def test_a_certificate_for_another_host_is_refused(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with serving(answering(GOOD), authority.server_context("127.0.0.2")) as server:
        error = await failure(at(server.url, replace(SETTINGS, ca_bundle=authority.bundle)))
        assert server.requests == []
    assert error.message == "The certificate shown for 127.0.0.1 is another host's: something on the way answered."


async def test_a_certificate_out_of_its_time_asks_for_the_clock(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with serving(answering(GOOD), authority.server_context(expired=True)) as server:
        error = await failure(at(server.url, replace(SETTINGS, ca_bundle=authority.bundle)))
    assert error.message == "The certificate of 127.0.0.1 is not valid today: is this machine's clock right?"


async def test_something_that_speaks_no_tls_is_said() -> None:
    async with serving(sending(b"SSH-2.0-OpenSSH_9.2\r\n"), reads=False) as server:
        error = await failure(at(server.url.replace("http:", "https:")))
    assert error.message == "TLS with 127.0.0.1 failed: something on the way does not speak it."


@pytest.mark.parametrize("content", [b"", b"not a certificate"])
async def test_a_bundle_without_certificates_is_named(tmp_path: Path, content: bytes) -> None:
    bundle = tmp_path / "company.pem"
    bundle.write_bytes(content)
    error = await failure(at("https://127.0.0.1:1", replace(SETTINGS, ca_bundle=bundle)))
    assert error.message == f"The certificates in {bundle} cannot be read."


async def test_plain_http_to_another_machine_is_never_spoken() -> None:
    with pytest.raises(ConfigProblem, match=r"portal\.example\.com .* plain http"):
        await fetch(at("http://portal.example.com"))


@pytest.mark.parametrize("region", ["", "eu west", "x.attacker.example/", "-", "A" * 64, "eu-west-1\n"])
async def test_what_is_no_region_leads_nowhere(region: str) -> None:
    with pytest.raises(ConfigProblem, match="not the name of a region"):
        await IdentityCenter(SETTINGS, FakeClock()).origins(region)


# --- the environment


async def test_neither_variables_nor_files_of_aws_change_where_or_how_it_calls(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text("[default]\nendpoint_url = http://127.0.0.1:1\nuse_fips_endpoint = true\nbroken\n")
    for name, value in {
        "AWS_CONFIG_FILE": str(config),
        "AWS_SHARED_CREDENTIALS_FILE": str(config),
        "AWS_PROFILE": "there-is-none",
        "AWS_DEFAULT_PROFILE": "there-is-none",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL_SSO": "http://127.0.0.1:1",
        "AWS_CA_BUNDLE": str(tmp_path / "none"),
        "AWS_DATA_PATH": str(tmp_path),
        "AWS_DEFAULTS_MODE": "nonsense",
        "AWS_MAX_ATTEMPTS": "5",
        "AWS_RETRY_MODE": "legacy",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "HTTPS_PROXY": "http://127.0.0.1:1",
    }.items():
        monkeypatch.setenv(name, value)
    async with serving(answering(GOOD)) as server:
        await fetch(at(server.url))
    found = await IdentityCenter(SETTINGS, FakeClock()).origins("eu-west-1")
    assert found.sso == "https://portal.sso.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    ("region", "oidc", "portal"),
    [
        ("eu-west-1", "oidc.eu-west-1.amazonaws.com", "portal.sso.eu-west-1.amazonaws.com"),
        ("us-gov-west-1", "oidc.us-gov-west-1.amazonaws.com", "portal.sso.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "oidc.cn-north-1.amazonaws.com.cn", "portal.sso.cn-north-1.amazonaws.com.cn"),
        ("eusc-de-east-1", "oidc.eusc-de-east-1.amazonaws.eu", "portal.sso.eusc-de-east-1.amazonaws.eu"),
    ],
)
async def test_a_region_s_hosts_are_those_of_its_partition(region: str, oidc: str, portal: str) -> None:
    found = await IdentityCenter(SETTINGS, FakeClock()).origins(region)
    assert (found.sso_oidc, found.sso) == (f"https://{oidc}", f"https://{portal}")


async def test_the_request_is_unsigned_and_the_token_goes_in_its_header_alone() -> None:
    async with serving(answering(GOOD)) as server:
        await fetch(at(server.url))
    head = server.requests[0].decode().lower()
    assert f"x-amz-sso_bearer_token: {TOKEN}\r\n" in head
    assert "authorization:" not in head
    assert TOKEN not in head.splitlines()[0]


async def test_no_secret_is_logged_at_the_lowest_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(answering(GOOD)) as server:
        await fetch(at(server.url))
        await failure(at(server.url), refresh)
    assert "s3cret" not in caplog.text
