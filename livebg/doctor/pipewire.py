"""Checks on the other route to a camera: PipeWire's own, without a kernel module. And which of the two suits this desktop."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from livebg.doctor import kernel_module
from livebg.doctor.context import Examination
from livebg.doctor.findings import Finding, fail, failed_by, ok, skipped, warn
from livebg.errors import SinkError
from livebg.sinks.pipewire.libpipewire import Library
from livebg.system.host import Host

SETUP: Final = "livebg setup --pipewire"
_START: Final = "systemctl --user enable --now pipewire.socket wireplumber.service"
_MANAGERS: Final = ("WirePlumber", "pipewire-media-session")


def route(exam: Examination) -> Finding:
    """Which kind of camera livebg is to be, and whether the other one would suit this machine better."""
    if exam.backend == "pipewire":
        return ok("livebg is PipeWire's camera (output.backend): programs that ask PipeWire or the portal see it, others do not")
    if exam.backend != "v4l2loopback":
        return ok(f"output.backend is {exam.backend}")
    barred = any(check(exam).status == "FAIL" for check in (kernel_module.installed, kernel_module.secure_boot))
    if barred and runs(exam.host):
        found = "v4l2loopback, a camera that every program sees, is not to be had as yet; PipeWire runs here and needs no module"
        return warn(found, f"see below, or for Firefox, Chromium and what else asks PipeWire: {SETUP}")
    return ok("livebg is a camera of v4l2loopback's, which every program sees")


def library(exam: Examination) -> Finding:  # noqa: ARG001 - as all checks
    """Whether PipeWire's library can be used."""
    try:
        Library()
    except SinkError as error:
        return failed_by(error)
    return ok("PipeWire's library is there")


def session_manager(exam: Examination) -> Finding:
    """Whether anybody connects programs with cameras."""
    if not runs(exam.host):
        return skipped("PipeWire does not run")
    names = {each.get("application.name") for each in objects(exam)}
    found = next((name for name in _MANAGERS if name in names), None)
    if found:
        return ok(f"{found} connects programs with cameras")
    return fail("PipeWire runs without a session manager, so that no program is connected with a camera", _START)


def offered(exam: Examination) -> Finding:
    """Whether PipeWire offers livebg's camera."""
    if not runs(exam.host):
        return fail("PipeWire does not run for this user, and livebg is to be its camera", _START)
    if any(_is_camera(each, exam.label) for each in objects(exam)):
        return ok(f"PipeWire offers {exam.label!r} as a camera")
    if not exam.is_written_by_livebg:
        return skipped(f"PipeWire knows no camera {exam.label!r}, as it must while livebg does not run: ask again when it does")
    return fail(f"livebg runs, and PipeWire knows no camera {exam.label!r}", "livebg status says why")


def runs(host: Host) -> bool:
    """Whether there is a PipeWire to connect to."""
    folder = host.environment.get("PIPEWIRE_RUNTIME_DIR") or host.environment.get("XDG_RUNTIME_DIR")
    return bool(folder) and host.path(Path(folder or "") / "pipewire-0").exists()


def objects(exam: Examination) -> Iterator[dict[str, Any]]:
    """The properties of PipeWire's objects, as pw-dump tells them.

    Raises :class:`~livebg.system.host.ToolMissing`, and ValueError when it tells no JSON.
    """
    return properties(exam.host.commands.run("pw-dump").out)


def properties(dump: str) -> Iterator[dict[str, Any]]:
    """Of the objects in what pw-dump told. Raises ValueError when that is no JSON."""
    for entry in json.loads(dump):
        found = (entry.get("info") or {}).get("props") if isinstance(entry, dict) else None
        if isinstance(found, dict):
            yield found


def _is_camera(of: dict[str, Any], label: str) -> bool:
    return of.get("media.class") == "Video/Source" and of.get("media.role") == "Camera" and of.get("node.name") == label
