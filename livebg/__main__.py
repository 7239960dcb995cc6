"""Entry point of the command line. Handles signals before the slow imports, when there is nothing to clean up."""

import os
import signal
from types import FrameType

from livebg.platform.interrupts import handle_signals


def main() -> None:
    """Run the command line."""
    handle_signals(exit_at_once)
    from livebg.cli import main as run_command

    try:
        run_command()
    finally:
        handle_signals(signal.SIG_IGN)  # the command has ended, and Python still needs a moment


def exit_at_once(_number: int, _frame: FrameType | None) -> None:
    """Exit without a cleanup, for signals before a command begins."""
    os.write(2, b"livebg: Stopped.\n")
    os._exit(130)


if __name__ == "__main__":
    main()
