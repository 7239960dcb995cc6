"""Paths of users, whatever the system makes of them."""

from pathlib import Path

import pytest

from livebg.platform.user_paths import exists, is_file


def test_paths_that_exist_or_not(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert exists(tmp_path)
    assert exists(file)
    assert not exists(tmp_path / "other")
    assert not exists(file / "below")


def test_name_too_long_for_the_system_is_an_error_or_no_file(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 5000)
    with pytest.raises(OSError, match="too long"):
        exists(path)
    assert not is_file(path)
