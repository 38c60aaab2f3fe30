"""botocore's clients for Identity Center, deaf to files and environment. Imports botocore (some 0.2 s and 35 MB), so it
is itself imported late, in a thread. Blocking and safe for threads.
"""

from __future__ import annotations

import json
import logging
import os
import re
import threading
from functools import cache
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from botocore import UNSIGNED
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.configprovider import ConfigValueStore, ConstantProvider
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from botocore.session import Session as BotocoreSession

from keyfobd.adapters.answers import Answer, server_wall
from keyfobd.adapters.transport import Received, Transport
from keyfobd.adapters.upstream_errors import error_for
from keyfobd.core.errors import ConfigProblem, KeyfobError, Unreachable
from keyfobd.core.model import Instant, Origins

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.awsrequest import AWSPreparedRequest

    from keyfobd.adapters.clock import Clock
    from keyfobd.adapters.line import Line
    from keyfobd.adapters.settings import Settings

Service = Literal["sso-oidc", "sso"]

_METHODS = {
    "register": "register_client",
    "start_device_authorization": "start_device_authorization",
    "exchange_device_code": "create_token",
    "exchange_code": "create_token",
    "refresh": "create_token",
    "role_credentials": "get_role_credentials",
    "accounts": "list_accounts",
    "account_roles": "list_account_roles",
    "logout": "logout",
}

# At DEBUG, botocore logs whole requests with their tokens, and urllib3 the account and role of each.
for _name in ("botocore", "urllib3"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class Upstream:
    """One client for each service and region, made once: to make one takes 50 ms and is not safe for threads."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._loader = _loader()
        self._session = _deaf_session(self._loader)
        self._clients: dict[tuple[Service, str], Any] = {}
        self._transport = Transport(settings, clock)
        self._call = _CallInThread()

    def origins(self, region: str) -> Origins:
        """Settings (which the service's own variables are part of), else botocore's rules for the region."""
        return Origins(
            sso_oidc=self._settings.endpoint_sso_oidc or self._by_rule("sso-oidc", region),
            sso=self._settings.endpoint_sso or self._by_rule("sso", region),
        )

    def prepare(self, service: Service, region: str) -> None:
        """Make the client, unless there is one."""
        with self._lock:
            if (service, region) not in self._clients:
                self._clients[service, region] = self._make(service, region)

    def has(self, service: Service, region: str) -> bool:
        """Whether a call needs no preparation."""
        return (service, region) in self._clients

    def host(self, service: Service, region: str) -> str:
        """Who is spoken with, for messages."""
        return urlsplit(self._clients[service, region].meta.endpoint_url).hostname or service

    def call(self, service: Service, region: str, operation: str, members: Mapping[str, Any], line: Line) -> Answer:
        """One call of a prepared client, never repeated. ``operation`` is the adapter's word for it. Raises our errors;
        anything else is a bug of ours."""
        self._call.line, self._call.received, sent = line, None, self._clock.now()
        try:
            getattr(self._clients[service, region], _METHODS[operation])(**members)
        except ClientError as error:
            raise error_for(error.response, operation) from None  # botocore's own error holds the whole answer
        except KeyfobError:
            raise
        except Exception:
            if self._call.received is None:
                raise
            # else botocore stumbled over a member of a wrong type: who reads the answer says which
        return self._answer(self.host(service, region), sent)

    def _answer(self, host: str, sent: Instant) -> Answer:
        """The answer as it came: botocore would take "3600" and true for numbers."""
        received = self._call.received
        if received is None or received.status >= 300:
            raise Unreachable(f"{host} answered without sense.")
        date = server_wall(received.headers.get("Date"), self._clock.now().wall)
        return Answer(json.loads(received.body or b"{}"), sent, date)

    def _make(self, service: Service, region: str) -> Any:
        origins = self.origins(region)
        client = self._session.create_client(
            service,
            region_name=region,
            endpoint_url=origins.sso_oidc if service == "sso-oidc" else origins.sso,
            verify=True,
            config=Config(
                signature_version=UNSIGNED,
                retries={"total_max_attempts": 1, "mode": "standard"},
                proxies={},
                ignore_configured_endpoint_urls=True,
                parameter_validation=True,
            ),
        )
        # botocore's own door for sending by other means: what a handler returns is the answer.
        client.meta.events.register("before-send", self._send)
        return client

    def _send(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        headers = {
            name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()
        }
        received = self._transport.exchange(request.method, request.url, headers, request.body, self._call.line)
        self._call.received = received
        return AWSResponse(request.url, received.status, dict(received.headers), _Body(received.body))

    def _by_rule(self, service: Service, region: str) -> str:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", region) or len(region) > 63:
            raise ConfigProblem(f"{region!r} is not the name of a region.", "Mend sso_region in ~/.aws/config.")
        rules = self._loader.load_service_model(service, "endpoint-rule-set-1")
        provider = EndpointProvider(rules, self._loader.load_data("partitions"))
        found = provider.resolve_endpoint(Region=region, UseDualStack=False, UseFIPS=False)
        return str(found.url)


class _CallInThread(threading.local):
    """What goes between ``call`` and ``_send``, which botocore calls in the same thread."""

    line: Line
    received: Received | None


class _Body:
    """What an AWSResponse reads its body from."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_: object) -> list[bytes]:
        return [self._body]


@cache
def _loader() -> Loader:
    """The models that come with botocore, and not those of ~/.aws/models."""
    return Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)


def _deaf_session(loader: Loader) -> BotocoreSession:
    """A session for which there are neither variables, nor files, nor profiles: AWS_PROFILE may name a profile whose
    credential_process asks us, and a ``services`` section would send our tokens elsewhere."""
    session = BotocoreSession(include_builtin_handlers=True)
    defaults = {name: default for name, (_, _, default, _) in BotocoreSession.SESSION_VARIABLES.items()}
    defaults |= {"config_file": os.devnull, "credentials_file": os.devnull, "profile": None}
    store = ConfigValueStore(mapping={name: ConstantProvider(value) for name, value in defaults.items()})
    session.register_component("config_store", store)
    session.register_component("data_loader", loader)
    return session
