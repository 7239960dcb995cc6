from pathlib import Path

import pytest

from tests.support.setup_sandbox import SetupSandbox


@pytest.fixture
def sandbox(tmp_path: Path) -> SetupSandbox:
    return SetupSandbox(tmp_path / "bench")
