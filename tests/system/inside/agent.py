"""The guest's first process: does what the host asks, a JSON object a line, over a virtio port.

It runs programs, and reads files and livebg's control socket. ``livebg`` takes half a minute to begin under emulation, most
of it for imports: after ``warm`` the agent has them itself, and each further ``livebg`` is a fork of it.
"""

import importlib
import json
import os
import pwd
import runpy
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

SHARE: Final = Path("/run/share")
RUNTIME: Final = Path("/run/user")
OUTPUTS: Final = Path("/run/outputs")
_HEAVY: Final = (
    "av",
    "cv2",
    "onnxruntime",
    "pyvirtualcam",
    "livebg.cli",
    "livebg.daemon.bootstrap",
    "livebg.doctor.checks",
    "livebg.cli.consent",
)


class Agent:
    """The host's operations: the methods without an underscore, their arguments by name."""

    def __init__(self) -> None:
        self._codes: dict[int, int] = {}
        self._is_warm = False
        self._count = 0

    def warm(self) -> None:
        """Import the modules of livebg's commands in advance."""
        for name in _HEAVY:
            importlib.import_module(name)
        self._is_warm = True

    def start(self, command: list[str], user: str | None = None, cold: bool = False) -> list[Any]:
        """Start a program; return its process and its output file (``.err`` beside it for the errors)."""
        self._count += 1
        output = OUTPUTS / str(self._count)
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                _become(output, user)
                code = _exec(command) if cold else self._forked(command)
            finally:
                if sys.exc_info()[0] is not None:
                    traceback.print_exc()
                for stream in (sys.stdout, sys.stderr):
                    stream.flush()
                os._exit(code)
        return [pid, str(output)]

    def _forked(self, command: list[str]) -> int:
        """The result of a command, run in this process if no new Python is necessary."""
        if command[0] == "livebg" and self._is_warm:
            return _ended(importlib.import_module("livebg.cli").main, command)
        if command[:2] == ["python", "-m"]:
            return _ended(lambda: runpy.run_module(command[2], run_name="__main__"), command[2:])
        return _exec(command)

    def ended(self, pid: int) -> int | None:
        """The exit code of a program that was started, negative for a signal; None while it runs."""
        while True:
            try:
                child, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if child == 0:
                break
            self._codes[child] = os.waitstatus_to_exitcode(status)
        return self._codes.get(pid)

    def signal(self, pid: int, number: int, group: bool = False) -> None:
        """Send a signal, with ``group`` to all processes of the program."""
        (os.killpg if group else os.kill)(pid, number)

    def read(self, path: str) -> str | None:
        """A file's text; None where it cannot be read."""
        try:
            return Path(path).read_text(errors="replace")
        except OSError:
            return None

    def write(self, path: str, text: str) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)

    def links(self, folder: str) -> list[str]:
        """The targets of the links in a folder such as ``/proc/1/fd``; the names of other files."""
        found = []
        for entry in Path(folder).iterdir() if Path(folder).is_dir() else ():
            try:
                found.append(str(entry.readlink()) if entry.is_symlink() else entry.name)
            except OSError:  # closed meanwhile
                continue
        return found

    def ask(self, command: str) -> dict[str, Any] | None:
        """livebg's answer on its control socket; None if none runs."""
        try:
            with socket.socket(socket.AF_UNIX) as asked:
                asked.settimeout(20)
                asked.connect(str(RUNTIME / "livebg/livebg.sock"))
                asked.sendall(json.dumps({"version": 2, "command": command}).encode() + b"\n")
                answer: dict[str, Any] = json.loads(asked.makefile().readline())["result"]
                return answer
        except (OSError, ValueError, KeyError):
            return None


def _become(output: Path, user: str | None) -> None:
    """In a new child process: a session, outputs and, if named, another user."""
    os.setsid()
    for number, path in ((0, "/dev/null"), (1, str(output)), (2, f"{output}.err")):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND), number)
    os.closerange(3, 256)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if user is not None:
        account = pwd.getpwnam(user)
        home = Path("/run") / f"home-of-{user}"
        home.mkdir(exist_ok=True)
        os.chown(home, account.pw_uid, account.pw_gid)
        os.setgroups([])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
        os.environ |= {"USER": user, "HOME": str(home)}
        os.environ.pop("XDG_RUNTIME_DIR", None)


def _exec(command: list[str]) -> int:
    words = [sys.executable, "-m", "livebg", *command[1:]] if command[0] == "livebg" else command
    os.execvp(words[0], words)


def _ended(main: Callable[[], object], command: list[str]) -> int:
    """The exit code that a program's function comes to."""
    sys.argv = command
    code: object = 1
    try:
        main()
        code = 0
    except SystemExit as ended:
        code = ended.code
    return code if isinstance(code, int) else int(code is not None)


def _prepare() -> None:
    """The folders and variables of a user who has logged in."""
    for folder in (RUNTIME, OUTPUTS, Path("/run/home")):
        folder.mkdir(mode=0o700)
    # Other users are to find Python as well: the environment, and the Python that it was made from.
    for folder in {*Path(sys.executable).absolute().parents, *Path(os.__file__).resolve().parents}:
        folder.chmod(folder.stat().st_mode | 0o555)
    OUTPUTS.chmod(0o777)
    os.environ |= {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/run/home",
        "USER": "root",
        "LANG": "C.UTF-8",
        "XDG_RUNTIME_DIR": str(RUNTIME),
        "PYTHONPATH": str(SHARE),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "NO_COLOR": "1",
        "COLUMNS": "240",
    }
    sys.path.insert(0, str(SHARE))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=False)
    Path("/proc/sys/kernel/printk").write_text("4\n")


def _port() -> Path:
    """The virtio port that the host is at."""
    while True:
        for name in Path("/sys/class/virtio-ports").glob("*/name"):
            if name.read_text().strip() == "livebg.agent":
                return Path("/dev") / name.parent.name
        time.sleep(0.1)


def _requests(channel: int) -> Iterator[dict[str, Any]]:
    rest = b""
    while True:
        chunk = os.read(channel, 65536)
        if not chunk:  # the host is not connected yet
            time.sleep(0.1)
        *lines, rest = (rest + chunk).split(b"\n")
        yield from map(json.loads, lines)


def main() -> None:
    _prepare()
    agent = Agent()
    channel = os.open(_port(), os.O_RDWR)
    for request in _requests(channel):
        deed: Callable[..., Any] = getattr(agent, request["deed"])
        try:
            answer = {"result": deed(**request["arguments"])}
        except (OSError, KeyError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        data = json.dumps({"uptime": time.monotonic(), **answer}).encode() + b"\n"
        while data:
            data = data[os.write(channel, data) :]


if __name__ == "__main__":
    main()
