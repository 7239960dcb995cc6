"""``livebg setup --both`` on a simulated machine: both cameras, rules that list livebg once, and a complete undo."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from livebg.cli.setup import set_up, undo_setup
from livebg.setup.wireplumber import CURRENT, LUA, hiding_rules
from tests.support.setup_sandbox import SetupSandbox

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="livebg setup requires Linux")


@pytest.fixture
def sandbox(tmp_path: Path) -> SetupSandbox:
    sandbox = SetupSandbox(tmp_path / "bench")
    sandbox.commands.there.update(("pipewire", "wireplumber"))
    return sandbox


def install(sandbox: SetupSandbox) -> None:
    settings = sandbox.machine.config / "livebg" / "config.toml"
    set_up(sandbox.machine, "livebg", service=True, yes=True, dry_run=False, settings=settings, both=True)


def test_setup_makes_both_cameras_and_undo_restores_all(sandbox: SetupSandbox) -> None:
    before = sandbox.tree()
    install(sandbox)
    assert (sandbox.machine.config / "livebg" / "config.toml").read_text() == '[output]\nbackend = "both"\n'
    assert sandbox.machine.path("/etc/modprobe.d/zz-livebg.conf").is_file() or any(
        "modprobe.d" in path for path in sandbox.tree()
    )
    for rule in (CURRENT, LUA):
        assert "node.disabled" in (sandbox.machine.config / rule).read_text()
    assert "systemctl --user try-restart wireplumber.service" in sandbox.commands.calls
    undo_setup(sandbox.machine, yes=True, dry_run=False)
    assert sandbox.tree() == before


def test_second_setup_changes_nothing(sandbox: SetupSandbox) -> None:
    install(sandbox)
    before = sandbox.tree()
    install(sandbox)
    assert sandbox.tree() == before


@pytest.mark.parametrize("label", ["livebg", 'my "camera"', "Kamera Büro"])
def test_rules_quote_label(label: str) -> None:
    for text in hiding_rules(label).values():
        assert json.dumps(label, ensure_ascii=False) in text


@pytest.mark.skipif(not shutil.which("lua5.4") and not shutil.which("lua"), reason="needs a Lua interpreter")
def test_lua_rule_disables_node_of_loopback() -> None:
    script = (
        "v4l2_monitor = { rules = {} }\n"
        + hiding_rules("livebg")[LUA]
        + "local rule = v4l2_monitor.rules[1]\n"
        + 'assert(rule.matches[1][1][3] == "livebg")\n'
        + 'assert(rule.matches[1][2][1] == "node.name")\n'
        + 'assert(rule.apply_properties["node.disabled"] == true)\n'
    )
    lua = shutil.which("lua5.4") or shutil.which("lua")
    assert lua is not None
    subprocess.run([lua, "-"], input=script, text=True, check=True)
