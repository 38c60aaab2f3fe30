from __future__ import annotations

import pytest

from identity_center_simulator import documents


def test_json_is_read() -> None:
    assert documents.read(b'{"a": ["\\u00e9", "\\ud83d\\ude00"]}') == {"a": ["é", "😀"]}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 200_000, b'"\\ud800"', b'{"\\udc00": 1}', b"1" * 5000])
def test_what_is_no_json_that_can_be_used_is_refused(body: bytes) -> None:
    with pytest.raises(documents.Unreadable):
        documents.read(body)
