"""What STS makes of the parameters of AssumeRole, and the look of its refusals."""

from __future__ import annotations

import pytest

from identity_center_simulator.errors import StsRefused
from identity_center_simulator.sts import chained_duration, refusal, session_name_of


def refused(name: str | None) -> StsRefused:
    with pytest.raises(StsRefused) as caught:
        session_name_of({} if name is None else {"RoleSessionName": name})
    return caught.value


@pytest.mark.parametrize("name", ["ci", "a" * 64, "alice+x=y,z.@example-com_1"])
def test_session_names_are_taken_as_sts_takes_them(name: str) -> None:
    assert session_name_of({"RoleSessionName": name}) == name


@pytest.mark.parametrize("name", ["a", "a" * 65, "two words", "a/b", "é" * 8, "ci\n", "<ci>"])
def test_other_session_names_are_refused(name: str) -> None:
    found = refused(name)

    assert (found.status, found.code) == (400, "ValidationError")
    assert f"Value '{name}' at 'roleSessionName' failed to satisfy constraint" in found.message


@pytest.mark.parametrize("name", [None, ""])
def test_a_missing_session_name_is_called_null(name: str | None) -> None:
    assert refused(name).message == (
        "1 validation error detected: Value null at 'roleSessionName' failed to satisfy constraint: "
        "Member must not be null"
    )


def test_a_chained_role_never_lives_more_than_an_hour() -> None:
    assert chained_duration(None, 12 * 3600) == 3600


@pytest.mark.parametrize("asked", ["9" * 5000, "1_000", "١٠٠٠"])
def test_a_duration_that_is_no_number_of_seconds_is_refused(asked: str) -> None:
    with pytest.raises(StsRefused, match="ValidationError"):
        chained_duration(asked, 3600)


def test_a_refusal_has_its_request_id_in_a_header_too() -> None:
    found = refusal(StsRefused(403, "AccessDenied", "No"))

    assert found.text is not None
    assert f"<RequestId>{found.headers['x-amzn-RequestId']}</RequestId>" in found.text
