"""Tests of merging the kernel module's options with existing ones."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from livebg.errors import SetupError
from livebg.setup.modprobe_options import FILE, DeviceOptions, add_livebg, configured, options_line
from tests.support.setup_sandbox import OBS, RELEASE, Bench

_SUPERUSERS = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
DUMMY = DeviceOptions(None, "", False)


def _tool(name: str) -> str:
    """Return the path of a tool in a system folder, or an empty string."""
    return shutil.which(name, path=_SUPERUSERS) or ""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "bench")


def devices(bench: Bench) -> list[DeviceOptions]:
    return list(configured(bench.machine, besides=bench.machine.path(FILE)).devices)


def merged(bench: Bench) -> str:
    return options_line(add_livebg(devices(bench), "livebg", ()))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("# options v4l2loopback devices=2\nalias v4l2loopback x\noptions snd-hda-intel index=1\n", []),
        ("options v4l2loopback max_buffers=4\n", []),
        ("options v4l2loopback exclusive_caps=1\n", [DeviceOptions(None, "", True)]),
        ("options v4l2loopback devices=2\n", [DUMMY, DUMMY]),
        ("options v4l2loopback video_nr=3,4 card_label=one\n", [DeviceOptions(3, "one", False), DeviceOptions(4, "", False)]),
        ('options v4l2loopback video_nr=9 card_label="A name, another" debug=1\n', [DeviceOptions(9, "A name", False)]),
        ("options v4l2loopback devices=1 \\\n  video_nr=7\\\n  exclusive_caps=Y\n", [DeviceOptions(7, "", True)]),
        ("options v4l2loopback devices=1\noptions v4l2loopback devices=0\n", []),
        ("options v4l2loopback video_nr=-1 card_label=x\n", [DeviceOptions(None, "x", False)]),
    ],
)
def test_what_a_file_makes_of_the_module(bench: Bench, text: str, found: list[DeviceOptions]) -> None:
    bench.put("/etc/modprobe.d/some.conf", text)
    assert devices(bench) == found


def test_of_several_files_the_last_by_name_counts_wherever_it_lies(bench: Bench) -> None:
    bench.put("/etc/modprobe.d/a.conf", "options v4l2loopback video_nr=1 card_label=first\n")
    bench.put("/usr/lib/modprobe.d/b.conf", "options v4l2loopback video_nr=2\n")
    assert devices(bench) == [DeviceOptions(2, "first", False)]


def test_of_files_with_one_name_that_in_etc_counts(bench: Bench) -> None:
    bench.put("/etc/modprobe.d/a.conf", "options v4l2loopback video_nr=1\n")
    bench.put("/usr/lib/modprobe.d/a.conf", "options v4l2loopback video_nr=2 card_label=hidden\n")
    assert devices(bench) == [DeviceOptions(1, "", False)]


def test_livebgs_own_file_is_not_somebody_elses(bench: Bench) -> None:
    bench.put(FILE, OBS)
    assert devices(bench) == []


def test_it_is_read_last() -> None:
    names = ["obs.conf", "v4l2loopback.conf", "z.conf", Path(FILE).name]
    assert sorted(names)[-1] == Path(FILE).name


def test_modprobe_splits_the_line_into_four_options(bench: Bench) -> None:
    bench.put("/etc/modprobe.d/obs.conf", OBS)
    assert shlex.split(merged(bench)) == [
        "options",
        "v4l2loopback",
        "devices=2",
        "video_nr=10,42",
        "card_label=OBS Virtual Camera,livebg",
        "exclusive_caps=1,1",
    ]


def test_reading_what_was_written_finds_the_same(bench: Bench) -> None:
    bench.put("/etc/modprobe.d/obs.conf", 'options v4l2loopback devices=3 card_label="A b,,C" exclusive_caps=0,1\n')
    line = merged(bench)
    assert line.split()[2:4] == ["devices=4", "video_nr=-1,-1,-1,42"]
    bench.put("/etc/modprobe.d/obs.conf", f"{line}\n")
    assert [device.label for device in devices(bench)] == ["A b", "", "C", "livebg"]
    assert merged(bench) == line


def test_a_device_called_livebg_becomes_livebgs_own(bench: Bench) -> None:
    bench.put("/etc/modprobe.d/old.conf", "options v4l2loopback devices=2 video_nr=50,51 card_label=livebg,other\n")
    assert add_livebg(devices(bench), "livebg", ()) == (DeviceOptions(50, "livebg", True), DeviceOptions(51, "other", False))


@pytest.mark.parametrize(("taken", "number"), [(set(), 42), ({42}, 43), (set(range(42, 64)), 0), (set(range(63)), 63)])
def test_the_number_is_free_and_one_that_firefox_looks_at(taken: set[int], number: int) -> None:
    assert add_livebg((), "livebg", taken) == (DeviceOptions(number, "livebg", True),)


def test_a_number_that_others_will_get_is_not_livebgs() -> None:
    assert add_livebg((DeviceOptions(42, "x", False),), "livebg", ())[1].number == 43


def test_a_number_that_firefox_passes_over_is_changed() -> None:
    assert add_livebg((DeviceOptions(100, "livebg", False),), "livebg", ()) == (DeviceOptions(42, "livebg", True),)


@pytest.mark.parametrize("label", ["a,b", 'a"b', "x" * 32, " ", "a\nb"])
def test_a_name_that_cannot_be_a_devices_is_refused(label: str) -> None:
    with pytest.raises(SetupError, match=r"output\.label"):
        add_livebg((), label, ())


def test_more_devices_than_the_module_makes_are_refused() -> None:
    with pytest.raises(SetupError, match="at most 8"):
        add_livebg([DUMMY] * 8, "livebg", ())


def test_no_number_left_is_told() -> None:
    with pytest.raises(SetupError, match="All camera numbers"):
        add_livebg((), "livebg", range(64))


@pytest.mark.skipif(not (_tool("modprobe") and _tool("depmod")), reason="modprobe and depmod are not installed")
def test_modprobe_itself_reads_livebgs_line_last(bench: Bench) -> None:
    """Check the assumption behind the merge with the real modprobe, without loading a module."""
    bench.put("/etc/modprobe.d/v4l2loopback.conf", OBS)
    bench.put(FILE, f"{merged(bench)}\n")
    modules = bench.root / "lib/modules" / RELEASE
    for name in ("v4l2loopback.ko", "modules.order", "modules.builtin"):
        (modules / name).touch()
    (modules / "modules.dep").write_text("v4l2loopback.ko:\n")
    subprocess.run([_tool("depmod"), "-b", str(bench.root), RELEASE], capture_output=True, check=True)
    own = ["-d", str(bench.root), "-S", RELEASE, "-C", str(bench.root / "etc/modprobe.d")]
    show = [_tool("modprobe"), *own, "--show-depends", "v4l2loopback"]
    told = subprocess.run(show, capture_output=True, text=True, check=True).stdout
    assert told.index('card_label="OBS Virtual Camera"') < told.index('card_label="OBS Virtual Camera,livebg"')
    assert told.split("exclusive_caps=1 ")[-1].split()[:2] == ["devices=2", "video_nr=10,42"]
