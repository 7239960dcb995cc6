"""``livebg stop``."""

import time
from typing import Final

from livebg.cli.console import output, spoken_errors
from livebg.daemon.client import ask
from livebg.daemon.runtime_dir import running_pid
from livebg.errors import LivebgError

_PATIENCE: Final = 5.0
"""Seconds in which a livebg that was asked to stop is gone."""


def stop() -> None:
    """Stop the running livebg.

    Waits until it has ended. Exit code 6 if livebg is not running.
    """
    with spoken_errors():
        pid = running_pid()
        ask("stop")
        _await_end(pid)
        output().print(f"livebg{f' (pid {pid})' if pid else ''} has stopped", markup=False)


def _await_end(pid: int | None) -> None:
    """Another one that has the lock by now is no reason to wait on: something starts livebg again whenever it ends."""
    deadline = time.monotonic() + _PATIENCE
    while (running := running_pid()) is not None and (not pid or running in (pid, 0)):
        if time.monotonic() >= deadline:
            known = running or pid
            how = f"with `kill {known}`" if known else "by its process id"  # `kill 0` would end the user's own shell
            raise LivebgError(f"livebg was asked to stop and still runs {_PATIENCE:g} s later: end it {how}")
        time.sleep(0.05)
