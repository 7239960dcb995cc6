"""SIGHUP reloads the configuration, again and again, whatever goes wrong."""

import os
import signal
import sys
import time

import pytest

from livebg.daemon.sighup import reload_on_sighup
from livebg.errors import ConfigError
from tests.support.live_session import wait_for

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP")


@pytest.mark.parametrize("error", [ConfigError("It is invalid.", "Correct it."), RuntimeError("a defect"), MemoryError()])
def test_failed_reload_does_not_prevent_the_next_one(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    reloads: list[float] = []

    def reload() -> None:
        reloads.append(time.monotonic())
        if len(reloads) == 1:
            raise error

    with reload_on_sighup(reload):
        for count in (1, 2):
            os.kill(os.getpid(), signal.SIGHUP)
            wait_for(lambda count=count: len(reloads) == count, "the reload")  # type: ignore[misc]
    assert "the settings are unchanged" in caplog.text
