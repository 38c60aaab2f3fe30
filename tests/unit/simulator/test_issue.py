from __future__ import annotations

import base64
import re

import pytest

from identity_center_simulator import issue


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-2"])
def test_client_ids_are_sixteen_bytes_and_the_region(region: str) -> None:
    found = issue.client_id(region)
    decoded = base64.urlsafe_b64decode(found + "=" * (-len(found) % 4))

    assert decoded[16:].decode() == region


def test_user_codes_are_consonants_in_two_fours() -> None:
    assert re.fullmatch(r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", issue.user_code())


def test_tokens_have_the_real_ones_alphabet_and_length() -> None:
    for found, prefix in ((issue.access_token(), "aoaAAAAA"), (issue.refresh_token(), "aorAAAAA")):
        assert re.fullmatch(prefix + r"[A-Za-z0-9_-]+:[A-Za-z0-9+/]+=*", found)
        assert len(found) > 160


def test_keys_have_the_real_ones_shape() -> None:
    assert re.fullmatch(r"ASIA[A-Z2-7]{16}", issue.access_key_id())
    assert len(issue.secret_access_key()) == 40
    assert 800 <= len(issue.session_token()) < 4096


def test_nothing_secret_comes_twice() -> None:
    makers = (issue.access_token, issue.refresh_token, issue.device_code, issue.authorization_code, issue.ticket)

    assert all(len({make() for _ in range(20)}) == 20 for make in makers)


def test_what_is_stable_is_the_same_for_the_same_and_another_for_others() -> None:
    assert issue.stable_hex("a", "b") == issue.stable_hex("a", "b") != issue.stable_hex("ab", "")
    assert re.fullmatch(r"AROA[A-Z2-7]{17}", issue.stable_id("AROA", "x"))
