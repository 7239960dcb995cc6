"""`livebg run` that is ended by two signals never aborts, whatever its threads are doing."""

import os
import subprocess
import sys

RUNS = os.environ.get("SIGNAL_RUNS", "24")
"""How often it is started and ended. A thousand take half an hour or more."""
BUSY = """
import sys, threading, cv2, numpy as np
from livebg.cli.console import exit_despite_threads

def work():
    picture = np.zeros((8, 8, 3), np.uint8)
    while True:
        busy.set()
        cv2.resize(picture, (16, 16))

busy = threading.Event()
for _ in range(2):
    threading.Thread(target=work, daemon=True).start()
busy.wait()
with exit_despite_threads():
    print("done")
    sys.exit(3)
"""


def test_exit_while_threads_are_in_opencv_keeps_code_and_output() -> None:
    for _ in range(3):
        ended = subprocess.run([sys.executable, "-c", BUSY], capture_output=True, text=True, timeout=60, check=False)
        assert (ended.returncode, ended.stdout, ended.stderr) == (3, "done\n", "")


def test_two_signals_never_abort() -> None:
    command = [sys.executable, "-m", "tests.support.signal_runs", "livebg-u2", "--runs", RUNS]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
