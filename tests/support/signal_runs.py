"""Ends `livebg run` by two signals at random moments: ``python -m tests.support.signal_runs NETWORK --runs 1000``.

Each run is a fork of this process, which has imported everything, so it is short; it ends as any process does.
"""

import argparse
import importlib
import os
import random
import runpy
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.support.media import Clip

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_IMPORTS: Final = (
    "livebg.cli",
    "livebg.cli.consent",
    "livebg.daemon.app",
    "livebg.segmentation.u2net",
    "livebg.sinks.virtual_camera",
    "livebg.sources.looping_file",
)
_FORBIDDEN: Final = ("FATAL", "terminate called", "Fatal Python error", "Traceback")


def main() -> int:
    """Returns the number of runs that crashed or printed a traceback."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.signal_runs", description=__doc__)
    parser.add_argument("network")
    parser.add_argument("--runs", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--latest", type=float, default=1.0, help="seconds from the start to the first signal, at most")
    options = parser.parse_args()
    for number in _SIGNALS:
        signal.signal(number, signal.default_int_handler)  # a process in the background ignores Ctrl-C
    for name in _IMPORTS:
        importlib.import_module(name)
    chance, failures = random.Random(options.seed), 0
    for run in range(options.runs):
        moments = chance.uniform(0, options.latest), chance.uniform(0.005, 0.3)
        with tempfile.TemporaryDirectory() as folder:
            code, text = _run(Path(folder), options.network, moments, chance.choices(_SIGNALS, k=2))
        if code in (-signal.SIGABRT, -signal.SIGSEGV) or any(word in text for word in _FORBIDDEN):
            failures += 1
            sys.stdout.write(f"run {run}: signals {moments[1]:.3f} s apart, exit code {code}: {text}\n")
    sys.stdout.write(f"{failures} of {options.runs} runs failed on Python {sys.version.split()[0]}\n")
    return failures


def _run(folder: Path, network: str, moments: tuple[float, float], numbers: list[signal.Signals]) -> tuple[int, str]:
    """Returns the exit code and what was printed on standard error after the start."""
    clip = Clip(count=50).write(folder / "clip.mp4")
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        os.dup2(writer, 2)
        os.closerange(3, 100)
        _become_livebg(folder, ["run", "--camera", str(clip), "--output", "null", "--model", network])
    os.close(writer)
    with os.fdopen(reader) as stderr:
        ready = stderr.readline()
        assert ready.endswith("to quit.\n"), f"not ready, or not in one line: {ready}"
        for seconds, number in zip(moments, numbers, strict=True):
            time.sleep(seconds)
            os.kill(process, number)
        text = stderr.read()
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), text


def _become_livebg(folder: Path, arguments: list[str]) -> None:
    homes = {f"XDG_{kind}_HOME": str(folder / kind.lower()) for kind in ("CONFIG", "CACHE", "STATE")}
    os.environ.update(homes | {"XDG_RUNTIME_DIR": str(folder)})
    sys.argv = ["livebg", *arguments]
    runpy.run_module("livebg", run_name="__main__")
    raise SystemExit  # not back into the loop of the parent


if __name__ == "__main__":
    sys.exit(min(main(), 100))
