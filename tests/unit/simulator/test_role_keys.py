from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity_center_simulator import IamRole, PermissionSet
from identity_center_simulator.errors import StsRefused
from identity_center_simulator.role_keys import KeyRing, RoleKeys

ADMIN = PermissionSet("Admin", 3600)


def keys(ring: KeyRing, now: float = 0.0) -> RoleKeys:
    return ring.for_permission_set(ADMIN, "111111111111", "alice", now)


def refusal_of(ring: KeyRing, *words: Any) -> str:
    with pytest.raises(StsRefused) as caught:
        ring.check(*words)
    return caught.value.code


def test_they_are_good_to_their_last_second_and_not_beyond() -> None:
    ring = KeyRing()
    found = keys(ring)

    assert ring.check(found.access_key_id, found.session_token, 3599.9) == found
    assert refusal_of(ring, found.access_key_id, found.session_token, 3600) == "ExpiredToken"


def test_a_key_needs_its_own_token() -> None:
    ring = KeyRing()
    one, other = keys(ring), keys(ring)

    assert refusal_of(ring, one.access_key_id, other.session_token, 0) == "InvalidClientTokenId"
    assert refusal_of(ring, one.access_key_id, None, 0) == "InvalidClientTokenId"
    assert refusal_of(ring, "ASIAUNKNOWN", one.session_token, 0) == "InvalidClientTokenId"


@given(st.floats(0, 4e9), st.floats(0, 43200))
def test_expiry_is_on_a_whole_second_and_never_later_than_promised(now: float, duration: float) -> None:
    found = KeyRing().for_permission_set(PermissionSet("A", duration), "111111111111", "alice", now)

    assert isinstance(found.expires_at, int)
    assert now + duration - 2 < found.expires_at <= now + duration


def test_a_roles_name_is_the_same_each_time_and_another_in_another_account() -> None:
    ring = KeyRing()
    here, again = keys(ring), keys(ring)
    there = ring.for_permission_set(ADMIN, "222222222222", "alice", 0)

    assert here.holder.arn == again.holder.arn
    assert here.holder.arn.rpartition("_")[2] != there.holder.arn.rpartition("_")[2]
    assert here.access_key_id != again.access_key_id


def test_a_plain_role_keeps_its_own_name_whatever_its_path() -> None:
    role = IamRole("arn:aws:iam::222222222222:role/some/path/Deployer", ("Admin",))

    found = KeyRing().for_role(role, "ci", 900, 0)

    assert found.holder.arn == "arn:aws:sts::222222222222:assumed-role/Deployer/ci"
    assert (found.holder.account_id, found.holder.permission_set, found.expires_at) == ("222222222222", None, 900)


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_arns_are_of_their_partition(partition: str) -> None:
    ring = KeyRing()
    role = IamRole(f"arn:{partition}:iam::222222222222:role/Deployer", ("Admin",))

    own = ring.for_permission_set(ADMIN, "111111111111", "alice", 0, partition)

    assert own.holder.arn.startswith(f"arn:{partition}:sts::111111111111:assumed-role/AWSReservedSSO_Admin_")
    assert ring.for_role(role, "ci", 900, 0).holder.arn == f"arn:{partition}:sts::222222222222:assumed-role/Deployer/ci"


def test_federation_needs_all_three_words() -> None:
    ring = KeyRing()
    found = keys(ring)
    words = {
        "sessionId": found.access_key_id,
        "sessionKey": found.secret_access_key,
        "sessionToken": found.session_token,
    }

    assert ring.check_whole(words, 0) == found
    for name in words:
        with pytest.raises(StsRefused):
            ring.check_whole({**words, name: "wrong"}, 0)
        with pytest.raises(StsRefused):
            ring.check_whole({other: word for other, word in words.items() if other != name}, 0)


@pytest.mark.parametrize("words", [None, [], "text", {"sessionId": 3}])
def test_federation_refuses_what_is_no_session(words: Any) -> None:
    with pytest.raises(StsRefused):
        KeyRing().check_whole(words, 0)


def test_secrets_stay_out_of_the_repr() -> None:
    found = keys(KeyRing())

    shown = repr(dataclasses.replace(found))
    assert found.secret_access_key not in shown
    assert found.session_token not in shown
