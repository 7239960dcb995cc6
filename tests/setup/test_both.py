"""Tests of ``livebg setup --both``: both cameras, and a WirePlumber rule so that PipeWire apps list livebg once."""

import sys
import tomllib
from pathlib import Path

import pytest

from livebg.cli.setup import set_up, undo_setup
from livebg.errors import SetupError
from tests.support.setup_sandbox import SetupSandbox

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="livebg setup requires Linux")
RESTART = "systemctl --user try-restart wireplumber.service"
LUA = "wireplumber/main.lua.d/51-livebg.lua"
CONF = "wireplumber/wireplumber.conf.d/51-livebg.conf"


@pytest.fixture
def sandbox(sandbox: SetupSandbox) -> SetupSandbox:
    sandbox.commands.there.add("pipewire")
    return sandbox


def settings(sandbox: SetupSandbox) -> Path:
    return sandbox.machine.config / "livebg" / "config.toml"


def install(sandbox: SetupSandbox, both: bool = True) -> None:
    chosen = settings(sandbox) if both else None
    set_up(sandbox.machine, "livebg", service=True, yes=True, dry_run=False, settings=chosen, both=both)


@pytest.mark.parametrize(("version", "file", "other"), [("0.4", LUA, CONF), ("0.5", CONF, LUA)])
def test_rule_is_written_for_the_installed_wireplumber(sandbox: SetupSandbox, version: str, file: str, other: str) -> None:
    if version == "0.4":
        sandbox.put("/usr/share/wireplumber/main.lua.d/50-v4l2-config.lua", "v4l2_monitor = {}\n")
    before = sandbox.tree()
    install(sandbox)
    text = (sandbox.machine.config / file).read_text()
    assert not (sandbox.machine.config / other).exists()
    assert all(
        word in text for word in ("api.v4l2.cap.card", "device.product.name", '"livebg"', "device.disabled", "node.disabled")
    )
    assert tomllib.loads(settings(sandbox).read_text()) == {"output": {"backend": "both"}}
    assert "card_label" in sandbox.text("/etc/modprobe.d/zz-livebg.conf"), "the loopback device as well"
    assert RESTART in sandbox.commands.calls, "WirePlumber reads its rules at the start"
    sandbox.commands.calls.clear()
    undo_setup(sandbox.machine, yes=True, dry_run=False)
    assert RESTART in sandbox.commands.calls
    after = sandbox.tree()
    assert {path: after[path] for path in after if "sys/module" not in path} == {
        path: before[path] for path in before if "sys/module" not in path
    }


def test_label_is_quoted(sandbox: SetupSandbox) -> None:
    set_up(sandbox.machine, "Jo's cam", service=True, yes=True, dry_run=False, settings=settings(sandbox), both=True)
    assert '"Jo\'s cam"' in (sandbox.machine.config / CONF).read_text()


def test_second_setup_changes_nothing(sandbox: SetupSandbox) -> None:
    install(sandbox)
    sandbox.load("livebg")
    before = sandbox.tree()
    sandbox.commands.calls.clear()
    install(sandbox)
    assert sandbox.tree() == before
    assert RESTART not in sandbox.commands.calls


def test_rule_goes_with_the_second_camera(sandbox: SetupSandbox) -> None:
    install(sandbox)
    sandbox.load("livebg")
    sandbox.commands.calls.clear()
    install(sandbox, both=False)
    assert not (sandbox.machine.config / CONF).exists()
    assert RESTART in sandbox.commands.calls


def test_changed_rule_is_kept(sandbox: SetupSandbox) -> None:
    install(sandbox)
    (sandbox.machine.config / CONF).write_text("# mine\n")
    install(sandbox, both=False)
    assert (sandbox.machine.config / CONF).read_text() == "# mine\n"


def test_setup_without_pipewire_fails(sandbox: SetupSandbox) -> None:
    sandbox.without("pipewire")
    before = sandbox.tree()
    with pytest.raises(SetupError, match="PipeWire is not installed"):
        install(sandbox)
    assert sandbox.tree() == before
