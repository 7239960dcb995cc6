"""WirePlumber's rules that hide the v4l2loopback camera from programs that use PipeWire: they see livebg there already."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

CURRENT: Final = Path("wireplumber/wireplumber.conf.d/51-livebg.conf")
"""Path of the rule for WirePlumber 0.5 and later, below the user's configuration folder."""
LUA: Final = Path("wireplumber/main.lua.d/51-livebg.lua")
"""The same for WirePlumber 0.4, as in Debian 12."""


def hiding_rules(label: str) -> Mapping[Path, str]:
    """Return the files, by path below the user's configuration folder, that hide the device named ``label``.

    The device node itself stays visible to programs that open ``/dev/video*``.
    """
    name = json.dumps(label, ensure_ascii=False)
    conf = (
        "# Written by `livebg setup --both`: PipeWire programs see livebg's PipeWire camera and not v4l2loopback's too.\n"
        "monitor.v4l2.rules = [\n"
        "  {\n"
        f'    matches = [ {{ api.v4l2.cap.card = {name}, node.name = "~v4l2_input.*" }} ]\n'
        "    actions = { update-props = { node.disabled = true } }\n"
        "  }\n"
        "]\n"
    )
    lua = (
        "-- Written by `livebg setup --both`: PipeWire programs see livebg's PipeWire camera and not v4l2loopback's too.\n"
        "table.insert(v4l2_monitor.rules, {\n"
        f'  matches = {{{{{{ "api.v4l2.cap.card", "equals", {name} }}, '
        '{ "node.name", "matches", "v4l2_input.*" }}},\n'
        '  apply_properties = { ["node.disabled"] = true },\n'
        "})\n"
    )
    return {CURRENT: conf, LUA: lua}
