"""``livebg setup`` and ``livebg doctor`` on incomplete machines and on a complete one."""

import re
import shutil
from contextlib import ExitStack

import pytest

from livebg.v4l2.find_camera import GROUP_ADVICE
from tests.system.call import CAMERA, NODE, OTHER, Call, module_is_loaded

_WRONG = "video_nr=12 card_label=Another exclusive_caps=1"
_NOT_EXCLUSIVE = "video_nr=42 card_label=livebg exclusive_caps=0"
_SETTINGS = "ls -lR /etc/modprobe.d /etc/modules-load.d; grep -r '' /etc/modprobe.d /etc/modules-load.d || true"
_TRUSTED = "/etc/sudoers.d/trusted"


def test_missing_module_is_reported(call: Call) -> None:
    call.use_modules(call.guest.parts.bare)
    call.load_camera()
    found = call.doctor()
    assert found["module"]["status"] == "FAIL"
    assert "not installed" in found["module"]["message"]
    assert "v4l2loopback-dkms" in found["module"]["fix"]
    assert found["camera"]["status"] == "ok"
    assert found["camera"]["message"] == f"Found vivid ({CAMERA})"
    refused = call.guest.run("livebg", "setup", "--no-service", "--yes")
    assert refused.code == 7
    assert "v4l2loopback is not installed for kernel" in refused.err
    assert call.guest.run("livebg", "run").code == 4


def test_other_label_is_reported(call: Call) -> None:
    call.use_modules(call.guest.parts.modules)
    call.load_loopback(_WRONG)
    found = call.doctor()["device"]
    assert found["status"] == "FAIL"
    assert found["message"] == "No loopback device is named 'livebg', only 'Another' (/dev/video12)"
    refused = call.guest.run("livebg", "run")
    assert refused.code == 4
    assert "No loopback device is named livebg, only /dev/video12 (Another)" in refused.err


def test_missing_exclusive_caps_is_reported(call: Call) -> None:
    call.load_loopback(_NOT_EXCLUSIVE)
    found = call.doctor()["exclusive_caps"]
    assert found["status"] == "FAIL"
    assert found["message"].startswith(f"{NODE} was created without exclusive_caps=1")


@pytest.mark.skipif(shutil.which("sudo") is None, reason="sudo is not installed")
def test_ordinary_user_sets_up_and_undoes(call: Call) -> None:
    call.unload_loopback()
    before = call.guest.shell(_SETTINGS)
    refused = call.guest.run("livebg", "setup", "--no-service", "--yes", user="nobody")
    assert refused.code == 7
    assert "`sudo /bin/sh -ec ...` failed" in refused.err
    assert "password" in refused.err
    assert call.guest.shell(_SETTINGS) == before
    call.guest.shell(f"umask 227; echo 'nobody ALL=(root) NOPASSWD: ALL' > {_TRUSTED}")
    try:
        done = call.guest.run("livebg", "setup", "--no-service", "--yes", user="nobody")
        assert done.code == 0, done
        assert re.search(rf"^livebg .*:\n\t{NODE}$", call.guest.run("v4l2-ctl", "--list-devices").out, re.MULTILINE)
        assert call.guest.shell(_SETTINGS) != before
        undone = call.guest.run("livebg", "setup", "--undo", "--yes", user="nobody")
        assert undone.code == 0, undone
    finally:
        call.guest.shell(f"rm {_TRUSTED}")
    assert call.guest.shell(_SETTINGS) == before
    assert not module_is_loaded(call.guest, "v4l2loopback")


def test_setup_adds_camera_beside_other_device(call: Call) -> None:
    call.unload_loopback()
    options = "options v4l2loopback devices=1 video_nr=11 card_label=Other exclusive_caps=1\n"
    call.guest.call("write", path="/etc/modprobe.d/other.conf", text=options)
    done = call.guest.run("livebg", "setup", "--no-service", "--yes")
    assert done.code == 0, done
    listed = call.guest.run("v4l2-ctl", "--list-devices").out
    assert re.search(rf"^livebg \(platform:v4l2loopback-\d+\):\n\t{NODE}$", listed, re.MULTILINE), listed
    assert re.search(rf"^Other \(platform:v4l2loopback-\d+\):\n\t{OTHER}$", listed, re.MULTILINE), listed
    assert call.guest.call("read", path="/etc/modprobe.d/other.conf") == options
    assert call.guest.call("read", path="/etc/modules-load.d/livebg.conf").endswith("v4l2loopback\n")
    found = call.doctor()
    assert [name for name, each in found.items() if each["status"] == "FAIL"] == []
    assert found["after a restart"]["status"] == "ok"
    assert found["device"]["message"] == f"The virtual camera 'livebg' is {NODE}"


def test_other_writer_is_reported(call: Call) -> None:
    with call.guest.background("python", "-m", "tests.system.inside.writer", NODE, "320", "180", "YU12") as writer:
        call.guest.wait_for("it writes", lambda: "Capture" in call.faces(), alive=writer)
        found = call.doctor()["writer"]
        refused = call.guest.run("livebg", "run")
    assert found["status"] == "FAIL"
    assert found["message"].startswith(f"Another program is writing to {NODE}: ")
    assert f"(process {writer.pid})" in found["message"]
    assert refused.code == 4
    assert f"{NODE} accepts no pictures" in refused.err
    assert f"(process {writer.pid})" in refused.err


def test_reader_that_holds_other_format_is_reported(call: Call) -> None:
    call.load_loopback()
    with ExitStack() as readers:
        with call.guest.background("python", "-m", "tests.system.inside.writer", NODE, "640", "480", "YU12") as writer:
            call.guest.wait_for("it writes", lambda: "Capture" in call.faces(), alive=writer)
            streaming = ("v4l2-ctl", "-d", NODE, "--stream-mmap", "--stream-to=/dev/null")
            reader = readers.enter_context(call.guest.background(*streaming))
            call.guest.wait_for("it reads", lambda: "<" in reader.err + reader.out, alive=reader)
        found = call.doctor()["format"]
        refused = call.guest.run("livebg", "run")
    assert found["status"] == "FAIL"
    assert (
        found["message"] == f"{NODE} is fixed to 640x480 YU12 by v4l2-ctl (process {reader.pid}), so livebg cannot set its format"
    )
    assert refused.code == 4
    assert f"{NODE} cannot be set to 320x180 I420" in refused.err
    assert f"v4l2-ctl (process {reader.pid}) has it open" in refused.err


@pytest.mark.parametrize("command", ["doctor", "run"])
def test_user_without_access_gets_advice(call: Call, command: str) -> None:
    call.load_loopback()
    if command == "doctor":
        found = call.doctor(user="nobody")
        assert found["device permissions"]["status"] == "FAIL"
        assert found["device permissions"]["fix"] == GROUP_ADVICE
        assert found["camera permissions"]["status"] == "FAIL"
    else:
        refused = call.guest.run("livebg", "run", "--model", "/run/share/block.onnx", user="nobody")
        assert refused.code == 4
        assert "cannot be opened by this user" in refused.err
        assert "usermod -aG video" in refused.err
