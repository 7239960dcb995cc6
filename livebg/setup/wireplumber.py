"""The WirePlumber rule that hides the v4l2loopback device from PipeWire apps while livebg also offers a PipeWire camera.

Without it these apps would list livebg twice. WirePlumber then does not open the device at all. The rule does not concern apps
that open ``/dev/video*`` themselves.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from livebg.setup.journal import FileChange, read_journal
from livebg.setup.target import Machine
from livebg.system import files
from livebg.system.host import Host

_HEADER: Final = "Written by `livebg setup`. To remove it, run `livebg setup --undo`."
_LUA: Final = Path("main.lua.d/51-livebg.lua")
"""For WirePlumber 0.4, below a configuration folder of WirePlumber."""
_CONF: Final = Path("wireplumber.conf.d/51-livebg.conf")
"""For WirePlumber 0.5 and later."""
_LUA_RULE: Final = """\
-- {header}
table.insert(v4l2_monitor.rules, {{
  matches = {{
    {{ {{ "device.product.name", "equals", {label} }} }},
    {{ {{ "api.v4l2.cap.card", "equals", {label} }} }},
  }},
  apply_properties = {{ ["device.disabled"] = true, ["node.disabled"] = true }},
}})
"""
_CONF_RULE: Final = """\
# {header}
monitor.v4l2.rules = [
  {{
    matches = [ {{ device.product.name = {label} }} {{ api.v4l2.cap.card = {label} }} ]
    actions = {{ update-props = {{ device.disabled = true, node.disabled = true }} }}
  }}
]
"""
RESTART: Final = ("systemctl", "--user", "try-restart", "wireplumber.service")


def rule(machine: Machine, label: str) -> tuple[Path, str]:
    """Return the file of the rule for the installed WirePlumber and its content. ``label`` is the device's name."""
    path = rule_path(machine, machine.config)
    template = _LUA_RULE if path.suffix == ".lua" else _CONF_RULE
    return path, template.format(header=_HEADER, label=json.dumps(label, ensure_ascii=False))


def rule_path(host: Host, config: Path) -> Path:
    """Return where the installed WirePlumber reads the rule. ``config`` is the user's configuration folder."""
    is_04 = host.path("/usr/share/wireplumber/main.lua.d").is_dir()
    return config / "wireplumber" / (_LUA if is_04 else _CONF)


def is_rule(path: Path) -> bool:
    """Return whether ``path`` is that of the rule, for any version of WirePlumber."""
    return path.name in (_LUA.name, _CONF.name)


def obsolete_rules(machine: Machine, wanted: Path | None) -> Iterator[FileChange]:
    """Yield the rules that setup wrote earlier, other than ``wanted``. Those changed since are kept."""
    journal = read_journal(machine.state)
    for file in journal.files if journal else ():
        if is_rule(file.path) and file.path != wanted and files.read(file.path) == file.after:
            yield file
