"""The simulator in a test's own event loop, virtual time included."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from identity_center_simulator import Clock, Fault, NotLoopback, ScenarioProblem, Simulator
from identity_center_simulator.portal import TOKEN_HEADER
from support.simulator import START_URL, running_simulator, scenario, visit

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


async def post(browser: aiohttp.ClientSession, url: str, **members: Any) -> dict[str, Any]:
    async with browser.post(url, json=members) as response:
        found: dict[str, Any] = await response.json()
        return found


async def tokens(simulator: Simulator, browser: aiohttp.ClientSession) -> dict[str, Any]:
    """Alice's, by device code, allowed by a call on the instance: no thread, no page."""
    found = await post(
        browser, f"{simulator.url}/client/register", clientName="t", clientType="public", scopes=["sso:account:access"]
    )
    words = {"clientId": found["clientId"], "clientSecret": found["clientSecret"]}
    device = await post(browser, f"{simulator.url}/device_authorization", **words, startUrl=START_URL)
    waiting = simulator.instance.sign_ins.waiting_device(device["userCode"], simulator.clock.now())
    assert waiting is not None
    simulator.instance.answer(waiting, "alice", simulator.clock.now())
    return await post(
        browser, f"{simulator.url}/token", **words, grantType=DEVICE_CODE, deviceCode=device["deviceCode"]
    )


async def status(browser: aiohttp.ClientSession, simulator: Simulator, token: str) -> int:
    headers = {TOKEN_HEADER: token}
    async with browser.get(f"{simulator.url}/assignment/accounts", headers=headers) as response:
        return response.status


@pytest.mark.looptime
async def test_tokens_age_with_the_loops_own_time() -> None:
    async with running_simulator(start=1_800_000_000) as simulator, aiohttp.ClientSession() as browser:
        found = await tokens(simulator, browser)

        await asyncio.sleep(3590)
        before = await status(browser, simulator, found["accessToken"])
        await asyncio.sleep(20)
        after = await status(browser, simulator, found["accessToken"])

    assert (before, after) == (200, 401)


@pytest.mark.looptime
async def test_delays_pass_in_virtual_time() -> None:
    async with running_simulator(start=1_800_000_000) as simulator, aiohttp.ClientSession() as browser:
        simulator.faults.add(Fault("RegisterClient", "delay", delay=70))
        began = asyncio.get_running_loop().time()

        await post(browser, f"{simulator.url}/client/register", clientName="t", clientType="public")

        assert 70 <= asyncio.get_running_loop().time() - began < 71


async def test_a_test_moves_the_clock_and_reads_the_journal() -> None:
    clock = Clock(start=1_800_000_000)
    async with Simulator(scenario(), clock=clock) as simulator, aiohttp.ClientSession() as browser:
        found = await tokens(simulator, browser)
        clock.advance(3601)

        assert await status(browser, simulator, found["accessToken"]) == 401
        (call,) = await simulator.journal.wait(1, "ListAccounts")
        assert (call.error, call.user) == ("UnauthorizedException", "alice")


async def test_calls_in_flight_are_counted() -> None:
    async with running_simulator() as simulator, aiohttp.ClientSession() as browser:
        simulator.faults.add(Fault("RegisterClient", "hang", times=2))
        calls = [
            asyncio.create_task(post(browser, f"{simulator.url}/client/register", clientName="t", clientType="public"))
            for _ in range(2)
        ]
        await simulator.journal.wait(2, "RegisterClient")

        assert simulator.journal.summary()["most_concurrent"] == {"RegisterClient": 2}
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def test_a_person_can_visit_from_within_the_loop() -> None:
    async with running_simulator() as simulator, aiohttp.ClientSession() as browser:
        found = await post(browser, f"{simulator.url}/client/register", clientName="t", clientType="public")
        words = {"clientId": found["clientId"], "clientSecret": found["clientSecret"]}
        device = await post(browser, f"{simulator.url}/device_authorization", **words, startUrl=START_URL)

        page = await visit(device["verificationUriComplete"], "bob")

        assert "Request approved" in page
        assert [session.user for session in simulator.instance.sessions.every()] == ["bob"]


async def test_its_front_page_says_what_it_is() -> None:
    async with (
        running_simulator() as simulator,
        aiohttp.ClientSession() as browser,
        browser.get(simulator.url) as response,
    ):
        page = await response.text()

    assert "simulator" in page
    assert "/simulator/" in page


def test_what_never_started_can_be_stopped() -> None:
    asyncio.run(Simulator().stop())


async def test_settings_that_name_nobody_are_refused() -> None:
    async with running_simulator() as simulator:
        with pytest.raises(ScenarioProblem, match="there is no user 'mallory'"):
            simulator.instance.change(warm_user="mallory")


async def test_settings_change_at_once() -> None:
    async with running_simulator(access_token_duration=60) as simulator, aiohttp.ClientSession() as browser:
        assert (await tokens(simulator, browser))["expiresIn"] == 60

        simulator.instance.change(access_token_duration="10m")

        assert (await tokens(simulator, browser))["expiresIn"] == 600


async def test_two_of_them_know_nothing_of_each_other() -> None:
    async with running_simulator() as one, running_simulator() as other, aiohttp.ClientSession() as browser:
        found = await tokens(one, browser)

        assert await status(browser, one, found["accessToken"]) == 200
        assert await status(browser, other, found["accessToken"]) == 401


def test_other_machines_are_kept_out_unless_that_is_meant() -> None:
    with pytest.raises(NotLoopback):
        Simulator(host="0.0.0.0")  # noqa: S104 - what it must refuse
    assert Simulator(host="192.0.2.1", beyond_loopback=True).url == "http://192.0.2.1:0"


def test_ipv6_loopback_is_loopback() -> None:
    assert Simulator(host="::1").url == "http://[::1]:0"


@pytest.mark.parametrize(
    ("method", "path", "begins"),
    [
        ("POST", "/token", b'{"error":"server_error"'),
        ("GET", "/assignment/accounts", b'{"message":""'),
        ("GET", "/?Action=GetCallerIdentity", b"<ErrorResponse"),
    ],
)
async def test_a_mistake_of_its_own_is_answered_as_the_services_and_told_in_the_log(
    caplog: pytest.LogCaptureFixture, method: str, path: str, begins: bytes
) -> None:
    def broken(*_: object, **__: object) -> bool:
        raise ZeroDivisionError

    async with running_simulator() as simulator, aiohttp.ClientSession() as browser:
        simulator.faults.add(Fault("*", "drip", seconds=0))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("identity_center_simulator.trouble.spoiled", broken)
            async with browser.request(method, simulator.url + path) as response:
                found = (response.status, (await response.read()).startswith(begins))
        (call,) = simulator.journal.calls()

    assert found == (500, True)
    assert (call.status, call.error) == (500, "InternalFailure")
    assert "ZeroDivisionError" in caplog.text


async def answers_to(simulator: Simulator, host: str, path: str = "/simulator/sessions") -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as browser,
        browser.get(f"{simulator.url}{path}", headers={"Host": host}) as response,
    ):
        return response.status, await response.text()


@pytest.mark.parametrize("path", ["/simulator/sessions", "/device", "/no-such-page"])
@pytest.mark.parametrize("host", ["evil.example", "evil.example:5399", "127.0.0.1.evil.example", "localhost@evil", ""])
async def test_a_page_that_had_its_own_name_lead_here_is_refused(host: str, path: str) -> None:
    async with running_simulator() as simulator:
        found, says = await answers_to(simulator, host, path)

    assert found == 403
    assert "--any-host" in says


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:5399", "[::1]", "[::1]:5399", "localhost", "LOCALHOST:5399"])
async def test_loopbacks_names_are_answered_to(host: str) -> None:
    async with running_simulator() as simulator:
        assert await answers_to(simulator, host) == (200, "[]")


async def test_it_answers_to_the_loopback_address_it_was_told_to_listen_on() -> None:
    async with Simulator(scenario(), host="127.0.0.2") as simulator:
        assert await answers_to(simulator, simulator.url.removeprefix("http://")) == (200, "[]")


async def test_any_name_is_answered_to_where_that_is_meant() -> None:
    async with Simulator(scenario(), any_host=True) as simulator:
        assert await answers_to(simulator, "sso.test:5399") == (200, "[]")
