"""Tests of merging the kernel module's options with existing ones."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from livebg.errors import SetupError
from livebg.setup.loopback import FILE, DeviceOptions, add_livebg, configured, options_line
from tests.support.setup_sandbox import OBS, RELEASE, SetupSandbox

_SUPERUSERS = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
DUMMY = DeviceOptions(None, "", False)


def _tool(name: str) -> str:
    """Return the path of a tool in a system folder, or an empty string."""
    return shutil.which(name, path=_SUPERUSERS) or ""


def devices(sandbox: SetupSandbox) -> list[DeviceOptions]:
    return list(configured(sandbox.machine, besides=(sandbox.machine.path(FILE),)).devices)


def merged(sandbox: SetupSandbox) -> str:
    return options_line(add_livebg(devices(sandbox), "livebg", ()))


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
def test_options_are_parsed_from_file(sandbox: SetupSandbox, text: str, found: list[DeviceOptions]) -> None:
    sandbox.put("/etc/modprobe.d/some.conf", text)
    assert devices(sandbox) == found


def test_last_file_by_name_wins(sandbox: SetupSandbox) -> None:
    sandbox.put("/etc/modprobe.d/a.conf", "options v4l2loopback video_nr=1 card_label=first\n")
    sandbox.put("/usr/lib/modprobe.d/b.conf", "options v4l2loopback video_nr=2\n")
    assert devices(sandbox) == [DeviceOptions(2, "first", False)]


def test_file_in_etc_hides_same_name_in_usr_lib(sandbox: SetupSandbox) -> None:
    sandbox.put("/etc/modprobe.d/a.conf", "options v4l2loopback video_nr=1\n")
    sandbox.put("/usr/lib/modprobe.d/a.conf", "options v4l2loopback video_nr=2 card_label=hidden\n")
    assert devices(sandbox) == [DeviceOptions(1, "", False)]


def test_own_file_is_ignored(sandbox: SetupSandbox) -> None:
    sandbox.put(FILE, OBS)
    assert devices(sandbox) == []


def test_own_file_is_sorted_last() -> None:
    names = ["obs.conf", "v4l2loopback.conf", "z.conf", Path(FILE).name]
    assert sorted(names)[-1] == Path(FILE).name


def test_merged_line_has_four_options(sandbox: SetupSandbox) -> None:
    sandbox.put("/etc/modprobe.d/obs.conf", OBS)
    assert shlex.split(merged(sandbox)) == [
        "options",
        "v4l2loopback",
        "devices=2",
        "video_nr=10,42",
        "card_label=OBS Virtual Camera,livebg",
        "exclusive_caps=1,1",
    ]


def test_merged_line_round_trips(sandbox: SetupSandbox) -> None:
    sandbox.put("/etc/modprobe.d/obs.conf", 'options v4l2loopback devices=3 card_label="A b,,C" exclusive_caps=0,1\n')
    line = merged(sandbox)
    assert line.split()[2:4] == ["devices=4", "video_nr=-1,-1,-1,42"]
    sandbox.put("/etc/modprobe.d/obs.conf", f"{line}\n")
    assert [device.label for device in devices(sandbox)] == ["A b", "", "C", "livebg"]
    assert merged(sandbox) == line


def test_device_named_livebg_is_adopted(sandbox: SetupSandbox) -> None:
    sandbox.put("/etc/modprobe.d/old.conf", "options v4l2loopback devices=2 video_nr=50,51 card_label=livebg,other\n")
    assert add_livebg(devices(sandbox), "livebg", ()) == (DeviceOptions(50, "livebg", True), DeviceOptions(51, "other", False))


@pytest.mark.parametrize(("taken", "number"), [(set(), 42), ({42}, 43), (set(range(42, 64)), 0), (set(range(63)), 63)])
def test_device_number_is_free_and_below_64(taken: set[int], number: int) -> None:
    assert add_livebg((), "livebg", taken) == (DeviceOptions(number, "livebg", True),)


def test_number_of_other_device_is_skipped() -> None:
    assert add_livebg((DeviceOptions(42, "x", False),), "livebg", ())[1].number == 43


def test_number_above_63_is_changed() -> None:
    assert add_livebg((DeviceOptions(100, "livebg", False),), "livebg", ()) == (DeviceOptions(42, "livebg", True),)


@pytest.mark.parametrize("label", ["a,b", 'a"b', "x" * 32, " ", "a\nb"])
def test_invalid_label_is_rejected(label: str) -> None:
    with pytest.raises(SetupError, match=r"output\.label"):
        add_livebg((), label, ())


def test_more_than_8_devices_are_rejected() -> None:
    with pytest.raises(SetupError, match="at most 8"):
        add_livebg([DUMMY] * 8, "livebg", ())


def test_no_free_number_fails() -> None:
    with pytest.raises(SetupError, match="All camera numbers"):
        add_livebg((), "livebg", range(64))


@pytest.mark.skipif(not (_tool("modprobe") and _tool("depmod")), reason="modprobe and depmod are not installed")
def test_modprobe_reads_own_file_last(sandbox: SetupSandbox) -> None:
    """Check the assumption behind the merge with the real modprobe, without loading a module."""
    sandbox.put("/etc/modprobe.d/v4l2loopback.conf", OBS)
    sandbox.put(FILE, f"{merged(sandbox)}\n")
    modules = sandbox.root / "lib/modules" / RELEASE
    for name in ("v4l2loopback.ko", "modules.order", "modules.builtin"):
        (modules / name).touch()
    (modules / "modules.dep").write_text("v4l2loopback.ko:\n")
    subprocess.run([_tool("depmod"), "-b", str(sandbox.root), RELEASE], capture_output=True, check=True)
    own = ["-d", str(sandbox.root), "-S", RELEASE, "-C", str(sandbox.root / "etc/modprobe.d")]
    show = [_tool("modprobe"), *own, "--show-depends", "v4l2loopback"]
    reported = subprocess.run(show, capture_output=True, text=True, check=True).stdout
    assert reported.index('card_label="OBS Virtual Camera"') < reported.index('card_label="OBS Virtual Camera,livebg"')
    assert reported.split("exclusive_caps=1 ")[-1].split()[:2] == ["devices=2", "video_nr=10,42"]
