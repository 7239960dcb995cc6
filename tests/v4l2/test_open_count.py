"""Presence for drivers without the event: the count of openers, real inotify and the real /proc."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from livebg.v4l2.open_count import OpenCount, OpenCountProbe
from livebg.v4l2.syscalls import SYSCALLS
from tests.support.live_session import wait_for
from tests.support.presence import ThreadedPresence, open_resources, running_presence


class Machine:
    """A folder with the machine's own ``proc``, and ``dev`` and ``sys`` with v4l2loopback's devices, files here.

    ``module`` counts the openers as the module would: as often as :meth:`count` is called.
    """

    def __init__(self, root: Path, *names: str) -> None:
        self.root, self.names = root, names
        (root / "proc").symlink_to("/proc")
        (root / "dev").mkdir()
        for name in names:
            (root / "dev" / name).touch()
            about = root / "sys/class/video4linux" / name
            about.mkdir(parents=True)
            (about / "max_openers").write_text("10\n")
        camera = root / "sys/class/video4linux/video0"
        camera.mkdir()
        (root / "dev/video0").touch()
        self.module = root / "sys/module/v4l2loopback"
        self.module.mkdir(parents=True)
        self.count(0)

    def node(self, number: int = 0) -> Path:
        return self.root / "dev" / self.names[number]

    def openers(self, number: int = 0) -> OpenCount:
        return OpenCount(self.node(number), self.root)

    def count(self, openers: int) -> None:
        fresh = self.module / "new"
        fresh.write_text(f"{openers}\n")
        fresh.rename(self.module / "refcnt")


@contextmanager
def reader(node: Path, *more: Path) -> Iterator[int]:
    """Another process that has these open; its number."""
    wait = "import sys; files = [open(each, 'rb') for each in sys.argv[1:]]; print('open', flush=True); input()"
    command = [sys.executable, "-S", "-c", wait, str(node), *map(str, more)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        yield other.pid
        other.communicate(b"\n")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path, "video42")


@pytest.fixture
def two_devices(tmp_path: Path) -> Machine:
    return Machine(tmp_path, "video42", "video10")


def test_own_opens_are_subtracted(machine: Machine) -> None:
    assert machine.openers().others() is False
    with machine.node().open("wb"), machine.node().open("rb"):
        machine.count(2)
        assert machine.openers().others() is False
        machine.count(3)
        assert machine.openers().others() is True, "an opener that no process shows"


def test_impossible_count_is_unknown(machine: Machine) -> None:
    with machine.node().open("wb"):
        assert machine.openers().others() is None
    (machine.module / "refcnt").write_text("-1?\n")
    assert machine.openers().others() is None
    (machine.module / "refcnt").unlink()
    assert machine.openers().others() is None


def test_other_driver_is_unknown(machine: Machine) -> None:
    assert OpenCount(machine.root / "dev/video0", machine.root).others() is None
    assert OpenCount(machine.root / "dev/video7", machine.root).others() is None


def test_proc_distinguishes_several_devices(two_devices: Machine) -> None:
    with two_devices.node(1).open("wb"), reader(two_devices.node(1)):
        two_devices.count(2)
        assert two_devices.openers(0).others() is False
        assert two_devices.openers(1).others() is True
        two_devices.count(3)
        assert two_devices.openers(0).others() is None, "who is not to be seen may be at either"
        with reader(two_devices.node(0)):
            assert two_devices.openers(0).others() is True


def test_link_is_same_device(two_devices: Machine) -> None:
    alias = two_devices.root / "dev/by-id"
    alias.symlink_to("video42")
    two_devices.count(1)
    with reader(alias):
        assert two_devices.openers(0).others() is True
        assert two_devices.openers(1).others() is False


def test_limit_comes_from_driver(machine: Machine) -> None:
    assert machine.openers().limit == 10
    assert OpenCount(machine.root / "dev/video0", machine.root).limit is None


def test_inotify_reports_opens_and_closes(machine: Machine) -> None:
    waker = SYSCALLS.waker()
    watch = OpenCountProbe(machine.node(), machine.openers())
    try:
        assert watch.method == "inotify"
        assert not watch.wait(waker, 0.0)
        with reader(machine.node()):
            assert watch.wait(waker, 20)
            watch.read_event()
            assert not watch.wait(waker, 0.0), "a hint is taken in once"
        assert watch.wait(waker, 20)
        machine.node().unlink()
        with pytest.raises(FileNotFoundError):
            watch.poll()
        with pytest.raises(FileNotFoundError):
            watch.read_event()
    finally:
        watch.close()
        waker.close()


def test_wake_ends_wait_between_polls(machine: Machine) -> None:
    waker = SYSCALLS.waker()
    watch = OpenCountProbe(machine.node(), machine.openers())
    assert watch.poll() is False
    waker.wake()
    assert not watch.wait(waker, 20)
    watch.close()
    waker.close()


def test_reader_is_detected_and_its_exit(machine: Machine) -> None:
    parts = ThreadedPresence(root=machine.root, device=machine.node(), grace=0.1)
    with running_presence(parts):
        parts.sees(False)
        assert parts.presence.method == "inotify"
        for _ in range(2):
            machine.count(1)
            with reader(machine.node()):
                parts.sees(True)
                machine.count(0)
            parts.sees(False)
    assert parts.changes == 5


def test_missing_count_means_watched_by_unknown(machine: Machine) -> None:
    (machine.module / "refcnt").unlink()
    parts = ThreadedPresence(root=machine.root, device=machine.node())
    with running_presence(parts):
        parts.sees(True)
        assert parts.presence.method == "unknown"


def test_presence_leaves_nothing_open(machine: Machine) -> None:
    before = open_resources()
    for _ in range(20):
        parts = ThreadedPresence(root=machine.root, device=machine.node())
        with running_presence(parts):
            parts.sees(False)
    wait_for(lambda: open_resources() == before, "descriptors and threads as before")
