"""config.toml and KEYFOB_ variables become settings, or all their mistakes at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from keyfobd.adapters.folders import Folders
from keyfobd.adapters.settings import SessionSettings, Settings, load
from keyfobd.core.errors import ConfigProblem

EVERY_KEY = """\
[endpoint]
port = 5400
token_in = "file"
request_deadline = 0.5
[storage]
kind = "key-file"
key_file = "{tmp_path}/key"
[aws_cli_cache]
mode = "off"
[network]
ca_bundle = "{bundle}"
proxy = "proxy.example.com:3128"
endpoint_sso = "https://portal.example.com/"
endpoint_sso_oidc = "http://127.0.0.1:8080"
endpoint_sts = "https://sts.example.com"
connect_timeout = 1
read_timeout = 0.25
[limits]
calls_per_second = 5
[log]
level = "debug"
[session.dev]
browser = "firefox --private-window"
callback_port = 8400
use_device_code = true
length = "7d"
[session."with blank"]
length = 3600
"""


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(config=tmp_path, state=tmp_path / "s", runtime=tmp_path / "r", log=tmp_path / "l")


def written(folders: Folders, text: str, **environ: str) -> Settings:
    folders.config_file.write_text(text, encoding="utf-8")
    return load(environ, folders)


def mistakes(folders: Folders, text: str, **environ: str) -> str:
    with pytest.raises(ConfigProblem) as caught:
        written(folders, text, **environ)
    return caught.value.message.replace(str(folders.config_file), "FILE")


def test_without_file_and_variables_all_has_a_default(folders: Folders) -> None:
    found = load({}, folders)
    assert found == Settings(folders=folders, aws_config_file=Path("~/.aws/config").expanduser())
    assert (found.connect_timeout, found.read_timeout, found.request_deadline) == (3.0, 10.0, 0.9)
    assert found.session("any") == SessionSettings()


def test_every_key_of_the_file_is_taken(folders: Folders, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("")
    found = written(folders, EVERY_KEY.replace("{tmp_path}", str(tmp_path)).replace("{bundle}", str(bundle)))
    assert found == Settings(
        folders=folders,
        aws_config_file=Path("~/.aws/config").expanduser(),
        endpoint_port=5400,
        token_in="file",
        request_deadline=0.5,
        storage_kind="key-file",
        key_file=tmp_path / "key",
        aws_cli_cache="off",
        ca_bundle=bundle,
        proxy="http://proxy.example.com:3128",
        endpoint_sso="https://portal.example.com",
        endpoint_sso_oidc="http://127.0.0.1:8080",
        endpoint_sts="https://sts.example.com",
        connect_timeout=1.0,
        read_timeout=0.25,
        calls_per_second=5.0,
        log_level="debug",
        sessions=found.sessions,
    )
    assert found.session("dev") == SessionSettings("firefox --private-window", 8400, True, 7 * 86400.0)
    assert found.session("with blank").length == 3600


def test_a_variable_goes_before_the_file(folders: Folders) -> None:
    found = written(folders, "[endpoint]\nport = 5400\n", KEYFOB_ENDPOINT_PORT="5500", KEYFOB_STORAGE_KIND="memory")
    assert found.endpoint_port == 5500
    assert found.storage_kind == "memory"


def test_an_empty_variable_is_none(folders: Folders) -> None:
    assert written(folders, "[endpoint]\nport = 5400\n", KEYFOB_ENDPOINT_PORT="").endpoint_port == 5400


def test_a_variable_of_keyfob_s_that_is_no_setting_is_left_alone(folders: Folders) -> None:
    assert load({"KEYFOB_ROLE": "Admin@1", "KEYFOB_SESSION": "dev"}, folders).endpoint_port is None


def test_all_mistakes_are_told_at_once_each_with_its_place(folders: Folders) -> None:
    text = """\
# a comment
[endpoint]
prot = 5400
port = 80

[strage]
kind = "auto"

[storage]
kind = "keychain"
key_file = "relative/key"

[session.dev]
lenght = "8h"
length = "soon"
"""
    assert mistakes(folders, text, KEYFOB_LOG_LEVEL="loud", KEYFOB_LOG_LEVLE="info") == (
        "The settings cannot be used: "
        "FILE, line 3: [endpoint] has no key called prot (did you mean port?); "
        "FILE, line 4: [endpoint] port must be a port number from 1024 to 65535; "
        "FILE, line 6: no section is called strage (did you mean storage?); "
        'FILE, line 10: [storage] kind must be "auto", "keyring", "key-file" or "memory"; '
        "FILE, line 11: [storage] key_file must be an absolute path; "
        "FILE, line 14: [session.dev] has no key called lenght (did you mean length?); "
        'FILE, line 15: [session.dev] length must be a time of at most 90 days, such as "8h" or "7d"; '
        'KEYFOB_LOG_LEVEL must be "debug", "info", "warning" or "error"; '
        "KEYFOB_LOG_LEVLE is not known (did you mean KEYFOB_LOG_LEVEL?)."
    )


def test_a_file_that_is_no_toml_is_told_with_its_line(folders: Folders) -> None:
    assert "FILE is not TOML: " in mistakes(folders, "[endpoint\n")
    assert "line 1" in mistakes(folders, "[endpoint\n")


def test_a_file_that_is_no_text_is_told(folders: Folders) -> None:
    folders.config_file.write_bytes(b"\xff\xfe[endpoint]")
    with pytest.raises(ConfigProblem, match="is not UTF-8"):
        load({}, folders)


def test_a_file_that_cannot_be_read_is_told(folders: Folders) -> None:
    folders.config_file.mkdir()
    with pytest.raises(ConfigProblem, match="cannot be read: Is a directory"):
        load({}, folders)


@pytest.mark.parametrize(
    "text",
    [
        'endpoint = "x"',
        "session = 5",
        "[session]\ndev = 5",
        "[endpoint]\nport = true",
        "[endpoint]\nport = 5393.5",
        "[endpoint]\nrequest_deadline = 1.5",
        "[network]\nendpoint_sso = 'http://portal.example.com'",
        "[network]\nendpoint_sso = 'https://portal.example.com/start'",
        "[network]\nendpoint_sso = 'https://me:password@portal.example.com'",
        "[network]\nendpoint_sso = 'ftp://portal.example.com'",
        "[network]\nendpoint_sso = 'https://'",
        "[network]\nendpoint_sso = 'https://[::1'",
        "[network]\nendpoint_sso = 'https://portal.example.com:99999'",
        "[network]\nproxy = 'socks5://127.0.0.1:1080'",
        "[network]\nca_bundle = '/nowhere/ca.pem'",
        "[network]\nca_bundle = ''",
        "[limits]\ncalls_per_second = 0",
        "[limits]\ncalls_per_second = 'many'",
        "[session.dev]\nuse_device_code = 'yes'",
        "[session.dev]\nlength = '91d'",
        "[session.dev]\ncallback_port = 80",
    ],
)
def test_a_value_of_the_wrong_kind_is_one_mistake_in_this_file(folders: Folders, text: str) -> None:
    message = mistakes(folders, text)
    assert message.startswith("The settings cannot be used: FILE, line ")
    assert ";" not in message


@pytest.mark.parametrize(
    ("said", "means"), [("true", True), ("'true'", True), ("'1'", True), ("'0'", False), ("false", False)]
)
def test_yes_and_no_have_these_words(folders: Folders, said: str, means: bool) -> None:
    assert written(folders, f"[session.dev]\nuse_device_code = {said}").session("dev").use_device_code is means


def test_a_key_in_dotted_form_has_its_line_too(folders: Folders) -> None:
    assert "FILE, line 2: [endpoint] port" in mistakes(folders, "# dotted\nendpoint.port = 1\n")


# --- the environment


def test_the_services_own_endpoint_variables_are_taken_where_nothing_is_set(folders: Folders) -> None:
    environ = {
        "AWS_ENDPOINT_URL_SSO": "http://127.0.0.1:1234",
        "AWS_ENDPOINT_URL_SSO_OIDC": "http://localhost:1234/",
        "AWS_ENDPOINT_URL_STS": "https://sts.example.com",
    }
    found = written(folders, "[network]\nendpoint_sso = 'https://portal.example.com'", **environ)
    assert found.endpoint_sso == "https://portal.example.com"
    assert found.endpoint_sso_oidc == "http://localhost:1234"
    assert found.endpoint_sts == "https://sts.example.com"


def test_the_global_endpoint_variable_is_never_asked(folders: Folders) -> None:
    assert load({"AWS_ENDPOINT_URL": "http://evil.example"}, folders).endpoint_sso is None


def test_a_wrong_endpoint_variable_is_told_by_its_name(folders: Folders) -> None:
    message = mistakes(folders, "", AWS_ENDPOINT_URL_SSO="http://portal.example.com")
    assert "AWS_ENDPOINT_URL_SSO must begin with https://" in message


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
def test_the_proxy_of_the_environment_is_taken_with_its_exceptions(folders: Folders, variable: str) -> None:
    found = load({variable: "http://me:secret@proxy:3128", "NO_PROXY": "example.com", "HTTP_PROXY": "x"}, folders)
    assert found.proxy == "http://me:secret@proxy:3128"
    assert found.no_proxy == "example.com"
    assert "secret" not in repr(found)


def test_a_proxy_that_is_set_is_for_every_call(folders: Folders) -> None:
    found = written(folders, "[network]\nproxy = 'http://proxy:1'", HTTPS_PROXY="http://other:1", NO_PROXY="*")
    assert (found.proxy, found.no_proxy) == ("http://proxy:1", "")


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_the_certificates_of_the_environment_are_taken(folders: Folders, tmp_path: Path, variable: str) -> None:
    assert load({variable: str(tmp_path)}, folders).ca_bundle == tmp_path


def test_a_bundle_of_the_environment_that_is_not_there_is_told(folders: Folders) -> None:
    assert "AWS_CA_BUNDLE names /nowhere, which is not there" in mistakes(folders, "", AWS_CA_BUNDLE="/nowhere")


def test_the_system_s_certificates_can_be_asked_for(folders: Folders) -> None:
    assert written(folders, "[network]\nca_bundle = 'system'", AWS_CA_BUNDLE="/nowhere").ca_bundle == "system"


def test_the_config_file_of_aws_is_the_environment_s(folders: Folders, tmp_path: Path) -> None:
    assert load({"AWS_CONFIG_FILE": str(tmp_path / "c")}, folders).aws_config_file == tmp_path / "c"
    assert load({"AWS_CONFIG_FILE": "c"}, folders).aws_config_file == Path.cwd() / "c"
    assert load({"AWS_CONFIG_FILE": " "}, folders).aws_config_file == Path("~/.aws/config").expanduser()
