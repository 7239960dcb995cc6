"""``livebg stop``."""

import time
from typing import Final

from livebg.cli.console import exit_on_error, output
from livebg.daemon.client import request
from livebg.daemon.runtime_dir import running_pid
from livebg.errors import LivebgError

_TIMEOUT_S: Final = 5.0


def stop() -> None:
    """Stop the running livebg.

    Waits until it has ended. Exit code 6 if livebg is not running.
    """
    with exit_on_error():
        pid = running_pid()
        request("stop")
        _await_end(pid)
        output().print(f"livebg{f' (pid {pid})' if pid else ''} stopped.", markup=False)


def _await_end(pid: int | None) -> None:
    """Wait until the process has ended. Another process with the lock counts as ended: a service restarts livebg at once."""
    deadline = time.monotonic() + _TIMEOUT_S
    while (running := running_pid()) is not None and (not pid or running in (pid, 0)):
        if time.monotonic() >= deadline:
            known = running or pid
            name = f"livebg (pid {known})" if known else "livebg"
            fix = f"Run `kill {known}`" if known else "End its process"  # `kill 0` would end the user's own shell
            raise LivebgError(f"{name} did not stop within {_TIMEOUT_S:g} s.", f"{fix}.")
        time.sleep(0.05)
