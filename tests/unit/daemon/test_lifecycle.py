"""The parts of the root that are plain functions; its life is shown in end_to_end/test_daemon_life.py."""

from __future__ import annotations

from pathlib import Path

from keyfobd.adapters.folders import Folders
from keyfobd.adapters.settings import Settings
from keyfobd.lifecycle import network_in_force

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
