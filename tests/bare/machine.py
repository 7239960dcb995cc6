"""A fresh Debian or Ubuntu in a folder, in which commands run as on a separate machine."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bare.sources import DEBIAN, Sources

USER = "somebody"
HOME = f"/home/{USER}"
_HOST = "/host"
"""Where the bare machine sees those files of this machine that lead to the packages, and no others."""
_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
# All mounts are the command's own: they are gone with its last process, however it ends.
_ENTER = """
set -eu
root=$1; shift
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 dev "$root/dev"
for node in null zero full random urandom tty; do : > "$root/dev/$node"; mount --bind "/dev/$node" "$root/dev/$node"; done
mkdir -m 1777 "$root/dev/shm"
mkdir "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for number in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${number%:*}" "$root/dev/${number#*:}"; done
if [ "$LOOPBACK" ]; then ip link set lo up; fi
while [ "$1" != -- ]; do mount --bind "$1" "$root$HOST$1"; mount -o remount,bind,ro "$root$HOST$1"; shift; done
shift
# No exec: the first process has to stay root's, since the kernel forgets to kill one that changes its user.
code=0
chroot --userspec="$WHO" "$root" env -i "$@" || code=$?
exit "$code"
"""


@dataclass(frozen=True)
class Done:
    """The exit code of a command, its standard output and its standard error."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Both, for the message of a failed test; only the end if they are long."""
        return f"exit code {self.code}\n{self.out[-8000:]}\n{self.err[-8000:]}"


def missing() -> str | None:
    """What this machine lacks to make a bare one, or None."""
    if sys.platform != "linux":
        return "a bare Debian is made on Linux only"
    if os.geteuid() != 0:
        return "a bare Debian is made by root only"
    for tool in ("apt-get", "debootstrap", "unshare", "chroot", "ip", "git"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    if subprocess.run(("unshare", "--mount", "--pid", "--net", "--fork", "true"), capture_output=True, check=False).returncode:
        return "unshare may not make namespaces here"
    return None


class BareMachine:
    """A Debian in ``root`` with what debootstrap's minbase variant has, and a user."""

    def __init__(self, root: Path, sources: Sources, suite: str = DEBIAN) -> None:
        self.root = root
        self._sources = sources
        self._enclosed("debootstrap", "--variant=minbase", *_debootstrap_arguments(suite, root, sources.mirror))
        (root / "etc" / "hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
        settings = ('APT::Get::Assume-Yes "true";', *sources.apt)  # no user answers
        (root / "etc" / "apt" / "apt.conf.d" / "90bare").write_text("\n".join(settings) + "\n")
        for folder in sources.folders:
            place = root / f"{_HOST}{folder}".lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch() if folder.is_file() else place.mkdir()
        self.must("useradd --create-home --shell /bin/bash " + USER, user="root")
        self.must("apt-get update", user="root")  # an installed Debian has its lists

    @property
    def home(self) -> Path:
        """The user's home, seen from this machine."""
        return self.root / HOME.lstrip("/")

    def give(self, path: Path) -> None:
        """Give the files under :attr:`home` to the user."""
        owner = self.home.stat()
        for each in (path, *path.rglob("*")):
            os.chown(each, owner.st_uid, owner.st_gid, follow_symlinks=False)

    def run(
        self, script: str, *, user: str = USER, folder: str = HOME, path: str = "", network: bool = True, limit: float = 1800
    ) -> Done:
        """A shell script; ``path`` goes before the others in PATH, without ``network`` there is the machine itself alone.

        After ``limit`` seconds, and at the script's end, all that it has started is killed. Raises subprocess.TimeoutExpired.
        """
        home = HOME if user == USER else "/root"
        variables = {
            "HOME": home,
            "USER": user,
            "LANG": "C.UTF-8",
            "PATH": f"{path}:{_PATH}".lstrip(":"),
            "DEBIAN_FRONTEND": "noninteractive",
            **self._sources.seen_from(_HOST),
        }
        received = [f"{name}={value}" for name, value in variables.items()]
        shell = ("bash", "-c", f"cd {folder}\n{script}")
        enter = ("sh", "-c", _ENTER, "sh", str(self.root), *map(str, self._sources.folders), "--", *received, *shell)
        environment = {**os.environ, "WHO": user, "HOST": _HOST, "LOOPBACK": "" if network else "yes"}
        return self._enclosed(*enter, network=network, environment=environment, limit=limit, strict=False)

    def must(self, script: str, *, user: str = USER, folder: str = HOME) -> str:
        """The standard output of the script, which has to succeed."""
        done = self.run(script, user=user, folder=folder)
        assert done.code == 0, done.text
        return done.out

    @staticmethod
    def _enclosed(
        *command: str,
        network: bool = True,
        environment: dict[str, str] | None = None,
        limit: float = 1800,
        strict: bool = True,
    ) -> Done:
        """Run with separate mounts and processes."""
        fences = ("--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", *(() if network else ("--net",)))
        ran = subprocess.run(
            ("unshare", *fences, *command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit,
            check=False,
            env=environment,
        )
        done = Done(ran.returncode, ran.stdout, ran.stderr)
        assert done.code == 0 or not strict, done.text
        return done


def _debootstrap_arguments(suite: str, root: Path, mirror: str) -> tuple[str, ...]:
    """A release that is newer than this machine's debootstrap is installed by the script of the newest that it knows."""
    ubuntu = "ubuntu" in mirror
    known = Path("/usr/share/debootstrap/scripts", suite).exists()
    components = ("--components=main,universe",) if ubuntu else ()
    return (*components, suite, str(root), mirror, *(() if known else ("gutsy" if ubuntu else "sid",)))


@contextmanager
def bare_machine(root: Path, sources: Sources, suite: str = DEBIAN) -> Iterator[BareMachine]:
    """Make it, and remove it at the end."""
    try:
        yield BareMachine(root, sources, suite)
    finally:
        # Through a mount that was left behind, removing would go on in the folders of this machine.
        left = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(root) in line]
        assert not left, f"still mounted: {left}"
        shutil.rmtree(root, ignore_errors=True)


def committed_copy(checkout: Path, target: Path) -> None:
    """A clone of the commits, without uncommitted files of the checkout."""
    clone = ("git", "clone", "--quiet", "--depth", "1", checkout.resolve().as_uri(), str(target))
    subprocess.run(clone, check=True, timeout=120)
