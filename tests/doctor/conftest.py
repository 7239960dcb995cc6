from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli_runner import LivebgCli
from tests.support.doctor_machine import DoctorMachine
from tests.support.fake_daemon import temporary_runtime_dir


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DoctorMachine]:
    """A machine whose user has neither settings nor a running livebg, unless the test adds them."""
    LivebgCli(tmp_path, monkeypatch)
    with temporary_runtime_dir(monkeypatch):
        (tmp_path / "root").mkdir()
        yield DoctorMachine(tmp_path / "root")
