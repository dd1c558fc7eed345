"""A token in a file: read for each request, sent whole or not at all, and shown to nobody."""

from pathlib import Path

import pytest

from shared.platform.bearer import NoToken, bearer


def test_what_is_in_the_file_now_is_sent(tmp_path: Path) -> None:
    file = tmp_path / "token"
    for token in ("a.b-c_d", "e.f.g=="):
        file.write_text(f"{token}\n")
        assert bearer(str(file)) == {"Authorization": f"Bearer {token}"}


def test_without_a_file_nothing_is_sent() -> None:
    assert bearer("") == {}


@pytest.mark.parametrize("content", ["", "\n", "secret word", "secret\r\nX-Other: 1", "secr\u00e9t", "secret\0"])
def test_what_is_no_token_is_neither_sent_nor_shown(tmp_path: Path, content: str) -> None:
    file = tmp_path / "token"
    file.write_text(content)
    with pytest.raises(NoToken) as refused:
        bearer(str(file))
    assert "secr" not in str(refused.value)


def test_a_file_that_cannot_be_read_is_said_with_its_reason(tmp_path: Path) -> None:
    for path, why in ((tmp_path / "none", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(NoToken, match=why):
            bearer(str(path))
