"""`livebg run --output pipewire`: it sleeps until a client connects, hides the room, and survives PipeWire."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livebg.imaging.frame import planes
from livebg.setup.target import Machine
from livebg.setup.wireplumber import rule, rule_path
from livebg.system.host import Host
from tests.support.media import Clip, flat
from tests.support.pipewire_desktop import Desktop, Viewer, livebg_status, missing_tools
from tests.support.toy_network import ToyNetwork
from tests.support.waiting import wait_until

_MISSING = missing_tools()
pytestmark = [pytest.mark.pipewire, pytest.mark.skipif(_MISSING is not None, reason=str(_MISSING))]
SIZE = (64, 48)
DARK = 40
"""The luma of a room in which the network finds no person."""


@contextmanager
def running(desktop: Desktop, *options: str, backend: str = "pipewire") -> Iterator[subprocess.Popen[bytes]]:
    clip = Clip(50, *SIZE, picture=flat(DARK)).write(desktop.folder / "clip.mp4")
    network = ToyNetwork(gain=1.6, offset=-0.3).write(desktop.folder / "toy.onnx")
    command = ("run", "--camera", str(clip), "--output", backend, "--model", str(network), "--mode", "greenscreen")
    process = desktop.run(sys.executable, "-m", "livebg", *command, *options)
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(30) == 0


def is_green(picture: np.ndarray[Any, np.dtype[np.uint8]]) -> bool:
    """Whether all of it is #00ff00 in BT.601, within a few levels."""
    return all(
        bool(np.all(abs(plane.astype(int) - level) < 6)) for plane, level in zip(planes(picture), (145, 54, 34), strict=True)
    )


def test_daemon_wakes_for_viewer_and_survives_restart(desktop: Desktop) -> None:
    def state() -> str:
        return str(livebg_status(desktop)["state"])

    with running(desktop):
        wait_until(lambda: desktop.node("livebg") is not None, "the camera is there")
        asleep = livebg_status(desktop)
        assert (asleep["state"], asleep["watched"], asleep["watched_by"]) == ("asleep", False, "pipewire")
        assert asleep["camera"]["opened"] == 0
        node = desktop.node("livebg")
        assert node is not None
        assert asleep["output"]["device"] == f"PipeWire node {node['props']['object.id']}"
        for again in (False, True):
            with Viewer(desktop, SIZE) as viewer:
                wait_until(lambda: is_green(viewer.sees(1)[-1]), "a person is shown before a green screen")
                assert state() == "live"
                assert not any((planes(each)[0] == DARK).all() for each in viewer.pictures), "the room got out"
            if not again:
                wait_until(lambda: state() == "asleep", "it sleeps again")
                desktop.stop()
                wait_until(lambda: state() == "stalled", "the loss is reported")
                assert livebg_status(desktop)["reason"].startswith("PipeWire ")
                desktop.start()
                wait_until(lambda: desktop.node("livebg") is not None, "the camera is back")


def test_missing_pipewire_error_explains_what_to_do(desktop: Desktop, tmp_path: Path) -> None:
    clip = Clip(5, *SIZE).write(tmp_path / "clip.mp4")
    (tmp_path / "empty").mkdir(mode=0o700)
    env = {**os.environ, **desktop.environment, "XDG_RUNTIME_DIR": str(tmp_path / "empty")}
    env["PIPEWIRE_RUNTIME_DIR"] = env["XDG_RUNTIME_DIR"]
    command = [sys.executable, "-m", "livebg", "run", "--camera", str(clip), "--output", "pipewire"]
    refused = subprocess.run(command, capture_output=True, text=True, env=env, timeout=60, check=False)
    assert refused.returncode == 4
    output = " ".join(refused.stderr.split())
    assert output.startswith("livebg: PipeWire is not running for this user")
    assert "systemctl --user start pipewire.socket" in output
    assert "Traceback" not in output


def test_both_without_loopback_device_shows_pipewire_camera(desktop: Desktop) -> None:
    with running(desktop, backend="both"):
        wait_until(lambda: desktop.node("livebg") is not None, "the camera is there")
        loopback, pipewire = livebg_status(desktop)["outputs"]
        if loopback["lost"] is None:
            pytest.skip("this machine has a v4l2loopback device named livebg")
        assert (pipewire["backend"], pipewire["lost"]) == ("pipewire", None)
        assert livebg_status(desktop)["state"] == "asleep", "a missing device is not watched"
        with Viewer(desktop, SIZE) as viewer:
            wait_until(lambda: is_green(viewer.sees(1)[-1]), "a person is shown before a green screen")
            assert livebg_status(desktop)["state"] == "live"


def test_wireplumber_accepts_the_rule_that_hides_the_loopback_device(desktop: Desktop) -> None:
    """The cameras that it hides need a kernel module; here, it must load and leave livebg's own camera alone."""
    config = desktop.folder / "config"
    path = rule_path(Host(), config)
    machine = Machine(config=config, data=config, state=config, command=("livebg",), is_root=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(rule(machine, "livebg")[1])
    log = desktop.folder / "wireplumber.log"
    before = log.stat().st_size
    desktop.stop()
    try:
        desktop.start()
        with running(desktop):
            wait_until(lambda: desktop.node("livebg") is not None, "the camera is there")
    finally:
        path.unlink()
    assert path.name not in log.read_bytes()[before:].decode(errors="replace"), "no complaint about the rule"
