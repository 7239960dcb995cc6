"""A Debian that systemd boots in a container, with users who log in; changes are discarded at its end.

It has no network and no devices except those of every container: no GPU, no screen, no keyboard, no camera.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from tests.bare.machine import HOME, USER, Done
from tests.bare.machine import missing as missing_for_bare

PATIENCE: Final = 120.0
"""Seconds after which a test takes something for hung."""
LOGIN: Final = "livebg-test-login"
_SYSTEM_PATH: Final = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
# The overlay is mounted in its own namespace: it disappears with the container, however that ends. The control group is
# the root of the container's: containers that share one would wait for each other's processes.
_BOOT: Final = """
set -eu
echo $$ > "$GROUP/cgroup.procs"
mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=$SCRATCH/upper,workdir=$SCRATCH/work" "$SCRATCH/root"
exec systemd-nspawn --quiet --boot --register=no --keep-unit --private-network --link-journal=no --directory="$SCRATCH/root"
"""
Found = TypeVar("Found")


def missing() -> str | None:
    """What this computer lacks to boot a Debian in a container, or None."""
    absent = missing_for_bare()
    if absent is None:
        absent = next((f"{tool} is not installed" for tool in ("systemd-nspawn", "nsenter") if shutil.which(tool) is None), None)
    return absent


def until(find: Callable[[], Found | None], what: str, patience: float = PATIENCE) -> Found:
    """The first result that is neither None nor false; fails if there is none in time."""
    deadline = time.monotonic() + patience
    while not (found := find()):
        assert time.monotonic() < deadline, f"timed out: {what}"
        time.sleep(0.2)
    return found


@dataclass(frozen=True)
class BootedMachine:
    """A running container, whose first process is ``leader``."""

    leader: int

    @property
    def home(self) -> Path:
        """The user's home, seen from this computer: the overlay is visible only in the container's namespace."""
        return Path(f"/proc/{self.leader}/root{HOME}")

    def write(self, path: str, text: str) -> None:
        """Write a file of the user, below their home, and its folders."""
        script = f"mkdir -p $(dirname {HOME}/{path}) && cat > {HOME}/{path}"
        done = self._run(self._entered(USER, script, {}), text=text)
        assert done.code == 0, done.text

    def copy_in(self, file: Path, name: str) -> None:
        """Copy a file of this computer into the user's home."""
        shutil.copy(file, self.home / name)
        owner = self.home.stat()
        os.chown(self.home / name, owner.st_uid, owner.st_gid)

    def run(self, script: str, *, user: str = USER, limit: float = PATIENCE, **variables: str) -> Done:
        """Run a shell script as ``user``, who has logged in unless it is root, with ``variables`` in its environment."""
        return self._run(self._entered(user, script, variables), limit=limit)

    def must(self, script: str, *, user: str = USER, limit: float = PATIENCE, **variables: str) -> str:
        """The standard output of the script, which has to succeed."""
        done = self.run(script, user=user, limit=limit, **variables)
        assert done.code == 0, f"{script}\n{done.text}"
        return done.out

    def start(self, script: str, *, user: str = USER, **variables: str) -> subprocess.Popen[str]:
        """Start a program in the background; the caller reads its output and ends it."""
        command = self._entered(user, f"exec {script}", variables)
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def log_in(self, program: str = "sleep infinity", target: str = "default.target", **variables: str) -> None:
        """Open a login session of ``program`` through PAM and logind, as ``login`` does on a console, and wait for ``target``."""
        settings = " ".join(f"--setenv={name}={value}" for name, value in variables.items())
        unit = f"--unit={LOGIN} --uid={USER} --property=PAMName=login --property=Type=exec"
        self.must(f"systemd-run --quiet {unit} {settings} {program}", user="root")
        until(lambda: self.user_state(target) == "active", f"{target} of {program} to start")

    def log_out(self) -> None:
        """Close that session and wait until the user's service manager has stopped."""
        self.must(f"systemctl stop {LOGIN}", user="root")
        manager = f"systemctl is-active user@{self.uid}"
        until(lambda: self.run(manager, user="root").out.strip() in ("inactive", "failed"), "the user's services to stop")

    @property
    def uid(self) -> int:
        return self.home.stat().st_uid

    def user_state(self, unit: str) -> str:
        """The state of a unit of the user: ``active``, ``inactive``, ``failed`` or others of systemd."""
        return self.run(f"systemctl --user is-active {unit}").out.strip()

    def user_property(self, unit: str, name: str) -> str:
        return self.must(f"systemctl --user show --property={name} --value {unit}").strip()

    def _entered(self, user: str, script: str, variables: dict[str, str]) -> list[str]:
        uid = self.uid if user == USER else 0
        home = HOME if user == USER else "/root"
        runtime = f"/run/user/{uid}"
        settings = {"HOME": home, "USER": user, "PATH": _SYSTEM_PATH, "LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
        if user == USER:
            settings |= {"XDG_RUNTIME_DIR": runtime, "DBUS_SESSION_BUS_ADDRESS": f"unix:path={runtime}/bus"}
        spaces = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")
        enter = ["nsenter", "--target", str(self.leader), *spaces]
        who = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--init-groups"] if user == USER else []
        environment = [f"{name}={value}" for name, value in (settings | variables).items()]
        return [*enter, *who, "env", "-i", *environment, "bash", "-c", f"cd {home}\n{script}"]

    @staticmethod
    def _run(command: list[str], *, limit: float = PATIENCE, text: str = "") -> Done:
        ran = subprocess.run(command, input=text, capture_output=True, text=True, errors="replace", timeout=limit, check=False)
        return Done(ran.returncode, ran.stdout, ran.stderr)


@contextmanager
def booted(root: Path, scratch: Path, files: Mapping[str, str]) -> Iterator[BootedMachine]:
    """Boot the Debian in ``root``, which stays unchanged: the container writes below ``scratch``, which is removed.

    ``files`` are additional ones of that Debian, text by path.
    """
    for name in ("upper", "work", "root"):
        (scratch / name).mkdir(parents=True)
    for path, text in files.items():
        file = scratch / "upper" / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    group = _control_groups() / f"livebg-{os.getpid()}-{time.monotonic_ns()}"
    group.mkdir()
    places = {"LOWER": str(root), "SCRATCH": str(scratch), "GROUP": str(group)}
    environment = {**os.environ, "UNIFIED_CGROUP_HIERARCHY": "1", **places}
    with (scratch / "console.log").open("wb") as console:
        command = ("setpriv", "--pdeathsig", "TERM", "unshare", "--mount", "--propagation", "private", "sh", "-c", _BOOT)
        container = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, env=environment)
    try:
        leader = until(lambda: _child(container), "the container to start")
        machine = BootedMachine(leader)
        until(lambda: _is_up(machine), f"the system to boot: {shlex.quote(str(scratch / 'console.log'))}")
        yield machine
    finally:
        container.terminate()
        try:
            container.wait(PATIENCE / 4)
        except subprocess.TimeoutExpired:
            container.kill()
            container.wait()
        _remove(group)
        shutil.rmtree(scratch, ignore_errors=True)


def _child(container: subprocess.Popen[bytes]) -> int | None:
    """The first process of the container, once it is systemd."""
    assert container.poll() is None, f"systemd-nspawn ended with {container.returncode}"
    children = Path(f"/proc/{container.pid}/task/{container.pid}/children").read_text().split()
    for child in map(int, children):
        try:
            if re.match(r"(systemd|init)\n", Path(f"/proc/{child}/comm").read_text()):
                return child
        except OSError:
            continue
    return None


def _control_groups() -> Path:
    """Where version 2 of control groups is mounted, alone or beside version 1."""
    mounts = (line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return next(Path(fields[4]) for fields in mounts if "cgroup2" in fields[fields.index("-") :])


def _remove(group: Path) -> None:
    """End all processes in a control group, and remove it with those below it."""
    (group / "cgroup.kill").write_text("1")
    until(lambda: "populated 0" in (group / "cgroup.events").read_text(), "the processes of the container to end")
    for folder in sorted(group.rglob("*/"), reverse=True):
        folder.rmdir()
    group.rmdir()


def _is_up(machine: BootedMachine) -> bool:
    """Whether users may log in; a service that fails without hardware does not matter."""
    return machine.run("systemctl is-system-running", user="root").out.strip() in ("running", "degraded")


def state(machine: BootedMachine) -> tuple[str, str]:
    """The state of the running livebg, and the reason."""
    status = json.loads(machine.must("livebg status --json"))
    return status["state"], status["reason"]


def until_state(machine: BootedMachine, wanted: str) -> None:
    until(lambda: state(machine)[0] == wanted, f"the state {wanted}")
