"""Is anybody watching, where the driver has no event: the count of openers, real inotify and the real /proc."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from livebg.v4l2.open_count import OpenCount, OpenCountProbe
from livebg.v4l2.syscalls import SYSCALLS
from tests.support.live_session import wait_for
from tests.support.presence import Threaded, in_use, threaded


class Machine:
    """A folder with the machine's own ``proc``, and ``dev`` and ``sys`` with v4l2loopback's devices, files here.

    ``module`` counts the openers as the module would: as often as :meth:`count` is told.
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
def two(tmp_path: Path) -> Machine:
    return Machine(tmp_path, "video42", "video10")


def test_the_count_less_ones_own_is_that_of_others(machine: Machine) -> None:
    assert machine.openers().others() is False
    with machine.node().open("wb"), machine.node().open("rb"):
        machine.count(2)
        assert machine.openers().others() is False
        machine.count(3)
        assert machine.openers().others() is True, "somebody whom nobody can see"


def test_a_count_that_makes_no_sense_tells_nothing(machine: Machine) -> None:
    with machine.node().open("wb"):
        assert machine.openers().others() is None
    (machine.module / "refcnt").write_text("-1?\n")
    assert machine.openers().others() is None
    (machine.module / "refcnt").unlink()
    assert machine.openers().others() is None


def test_a_node_of_another_driver_tells_nothing(machine: Machine) -> None:
    assert OpenCount(machine.root / "dev/video0", machine.root).others() is None
    assert OpenCount(machine.root / "dev/video7", machine.root).others() is None


def test_of_several_devices_proc_tells_which_is_open(two: Machine) -> None:
    with two.node(1).open("wb"), reader(two.node(1)):
        two.count(2)
        assert two.openers(0).others() is False
        assert two.openers(1).others() is True
        two.count(3)
        assert two.openers(0).others() is None, "who is not to be seen may be at either"
        with reader(two.node(0)):
            assert two.openers(0).others() is True


def test_a_link_and_another_name_are_the_same_device(two: Machine) -> None:
    alias = two.root / "dev/by-id"
    alias.symlink_to("video42")
    two.count(1)
    with reader(alias):
        assert two.openers(0).others() is True
        assert two.openers(1).others() is False


def test_the_limit_is_the_drivers(machine: Machine) -> None:
    assert machine.openers().limit == 10
    assert OpenCount(machine.root / "dev/video0", machine.root).limit is None


def test_inotify_hints_at_opens_and_closes(machine: Machine) -> None:
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


def test_a_wake_ends_the_rest_between_two_looks(machine: Machine) -> None:
    waker = SYSCALLS.waker()
    watch = OpenCountProbe(machine.node(), machine.openers())
    assert watch.poll() is False
    waker.wake()
    assert not watch.wait(waker, 20)
    watch.close()
    waker.close()


def test_somebody_opens_the_camera_and_leaves(machine: Machine) -> None:
    parts = Threaded(root=machine.root, device=machine.node(), grace=0.1)
    with threaded(parts):
        parts.sees(False)
        assert parts.presence.method == "inotify"
        for _ in range(2):
            machine.count(1)
            with reader(machine.node()):
                parts.sees(True)
                machine.count(0)
            parts.sees(False)
    assert parts.changes == 5


def test_without_a_count_somebody_watches_and_it_is_said_that_nothing_is_known(machine: Machine) -> None:
    (machine.module / "refcnt").unlink()
    parts = Threaded(root=machine.root, device=machine.node())
    with threaded(parts):
        parts.sees(True)
        assert parts.presence.method == "unknown"


def test_nothing_is_left_behind(machine: Machine) -> None:
    before = in_use()
    for _ in range(20):
        parts = Threaded(root=machine.root, device=machine.node())
        with threaded(parts):
            parts.sees(False)
    wait_for(lambda: in_use() == before, "descriptors and threads as before")
