"""The parts of the root that are plain functions, and the order of its end; the rest of its life is shown in
end_to_end/test_daemon_life.py."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keyfobd.adapters.folders import Folders, prepare
from keyfobd.adapters.identity_center import IdentityCenter
from keyfobd.adapters.instance import Instance
from keyfobd.adapters.settings import Settings
from keyfobd.adapters.tokens import Tokens
from keyfobd.broker import Broker
from keyfobd.http.control import Control
from keyfobd.http.endpoint import Endpoint
from keyfobd.lifecycle import Daemon, Prepared, network_in_force
from keyfobd.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

NOWHERE = Path("/nowhere")
FOLDERS = Folders(config=NOWHERE, state=NOWHERE, runtime=NOWHERE, log=NOWHERE)


def test_status_shows_the_variables_that_are_asked_and_the_settings_that_go_before_them() -> None:
    settings = Settings(FOLDERS, NOWHERE, proxy="http://me:secret@proxy:3128", endpoint_sso="http://127.0.0.1:1")
    environ = {"AWS_ENDPOINT_URL_SSO": "http://127.0.0.1:1", "HTTPS_PROXY": "http://other:3128", "HOME": "/home/me"}
    assert network_in_force(settings, environ) == {
        "AWS_ENDPOINT_URL_SSO": "http://127.0.0.1:1",
        "HTTPS_PROXY": "http://other:3128",
        "[network] proxy": "http://***@proxy:3128",
    }


STEPS = (
    (Control, "stop_listening"),
    (Sessions, "end_sign_ins"),
    (Control, "finish"),
    (Endpoint, "finish"),
    (Broker, "close"),
    (Sessions, "close"),
    (Tokens, "close"),
    (Instance, "withdraw"),
)


async def test_token_renewals_end_after_all_who_could_begin_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def noting(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any) -> Any:
            done.append(name)
            return real(*arguments)

        return noted

    async def nothing(*_: Any) -> None:
        """No import of botocore."""

    monkeypatch.setattr(IdentityCenter, "preload", nothing)
    for owner, name in STEPS:
        monkeypatch.setattr(owner, name, noting(f"{owner.__name__}.{name}", getattr(owner, name)))
    folders = Folders(config=tmp_path / "c", state=tmp_path / "s", runtime=tmp_path / "r", log=tmp_path / "s")
    prepare(folders)
    instance = Instance(folders.state)
    daemon = Daemon(Prepared(Settings(folders, tmp_path / "config", storage_kind="memory"), instance, {}))
    await daemon.start()
    await daemon.stop()
    os.close(instance._lock)
    assert list(dict.fromkeys(done)) == [f"{owner.__name__}.{name}" for owner, name in STEPS]
