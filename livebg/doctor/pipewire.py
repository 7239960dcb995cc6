"""Checks of the PipeWire camera, which needs no kernel module, and of the choice between PipeWire and v4l2loopback."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from livebg.doctor import kernel_module
from livebg.doctor.context import CheckContext, Finding, fail, from_error, ok, skipped, warn
from livebg.errors import SinkError
from livebg.platform.user_paths import user_folder
from livebg.setup.wireplumber import rule_path
from livebg.sinks.pipewire.libpipewire import Library
from livebg.system.host import Host

SETUP: Final = "livebg setup --pipewire"
SETUP_BOTH: Final = "livebg setup --both"
RESTART_WIREPLUMBER: Final = "systemctl --user restart wireplumber"
_START_PIPEWIRE: Final = "systemctl --user enable --now pipewire.socket wireplumber.service"
_SESSION_MANAGERS: Final = ("WirePlumber", "pipewire-media-session")


def route(context: CheckContext) -> Finding:
    """Report the configured camera backend, and whether the other one suits this machine better."""
    if context.backend == "pipewire":
        return ok("output.backend is pipewire: only programs that use PipeWire or the portal see the camera")
    if context.backend == "both":
        return ok("output.backend is both: every program sees the camera, through PipeWire or at the loopback device")
    if context.backend != "v4l2loopback":
        return ok(f"output.backend is {context.backend}")
    blocked = any(check(context).status == "FAIL" for check in (kernel_module.installed, kernel_module.secure_boot))
    if blocked and runs(context.host):
        found = "v4l2loopback, whose camera every program sees, is not available. PipeWire is running and needs no kernel module"
        return warn(found, f"See below, or for Firefox, Chromium and other programs that use PipeWire: {SETUP}")
    return ok("output.backend is v4l2loopback: every program sees the camera")


def library(context: CheckContext) -> Finding:  # noqa: ARG001 - signature of all checks
    """Check that libpipewire loads."""
    try:
        Library()
    except SinkError as error:
        return from_error(error)
    return ok("libpipewire is installed")


def session_manager(context: CheckContext) -> Finding:
    """Check that a PipeWire session manager is running."""
    if not runs(context.host):
        return skipped("PipeWire is not running")
    names = {each.get("application.name") for each in objects(context)}
    found = next((name for name in _SESSION_MANAGERS if name in names), None)
    if found:
        return ok(f"The session manager {found} is running")
    return fail("No PipeWire session manager (WirePlumber) is running, so apps cannot access cameras", _START_PIPEWIRE)


def offered(context: CheckContext) -> Finding:
    """Check that PipeWire offers livebg's camera."""
    if not runs(context.host):
        return fail("PipeWire, which the configured camera needs, is not running for this user", _START_PIPEWIRE)
    if any(_is_camera(each, context.label) for each in objects(context)):
        return ok(f"PipeWire offers {context.label!r} as a camera")
    if not context.is_sent_to_pipewire:
        return skipped(f"PipeWire lists no camera {context.label!r}, as expected while livebg is not running")
    return fail(f"livebg is running, but PipeWire lists no camera {context.label!r}", "livebg status")


def listed_once(context: CheckContext) -> Finding:
    """Check that PipeWire lists the loopback device only if there is no PipeWire camera of livebg."""
    config = user_folder("config", None)
    path = None if config is None else rule_path(context.host, config)
    hidden = path is not None and path.exists()
    if context.backend != "both":
        if hidden and context.backend == "v4l2loopback":
            return fail(f"The WirePlumber rule {path} hides the loopback device from PipeWire apps", "livebg setup")
        return ok("There is one camera of livebg")
    if not hidden:
        return warn("PipeWire apps list livebg twice: no WirePlumber rule hides the loopback device", SETUP_BOTH)
    loopback = context.loopback
    node = None if loopback is None else str(loopback.device.path)
    if node and runs(context.host) and any(each.get("api.v4l2.path") == node for each in objects(context)):
        return warn(f"PipeWire still lists {node}, although the WirePlumber rule {path} hides it", RESTART_WIREPLUMBER)
    return ok(f"The WirePlumber rule {path} hides the loopback device from PipeWire apps")


def runs(host: Host) -> bool:
    """Return whether PipeWire's socket exists."""
    folder = host.environment.get("PIPEWIRE_RUNTIME_DIR") or host.environment.get("XDG_RUNTIME_DIR")
    return bool(folder) and host.path(Path(folder or "") / "pipewire-0").exists()


def objects(context: CheckContext) -> Iterator[dict[str, Any]]:
    """Yield the properties of PipeWire's objects, from pw-dump.

    Raises :class:`~livebg.system.host.ToolMissing`, and ValueError if its output is not JSON.
    """
    return properties(context.host.commands.run("pw-dump").out)


def properties(dump: str) -> Iterator[dict[str, Any]]:
    """Yield the properties of the objects in pw-dump's output. Raises ValueError if it is not JSON.

    If objects change while it runs, pw-dump 0.3 writes another list with these objects, without ``info`` if they are gone.
    """
    objects: dict[Any, dict[str, Any]] = {}
    rest = dump.strip()
    while True:
        entries, end = json.JSONDecoder().raw_decode(rest)
        objects |= {entry.get("id"): entry for entry in entries if isinstance(entry, dict)}
        rest = rest[end:].lstrip()
        if not rest:
            break
    for entry in objects.values():
        found = (entry.get("info") or {}).get("props")
        if isinstance(found, dict):
            yield found


def _is_camera(node: dict[str, Any], label: str) -> bool:
    is_source = node.get("media.class") == "Video/Source" and node.get("media.role") == "Camera"
    return is_source and node.get("node.name") == label
