"""Plan for a PipeWire camera: no root, no kernel module, only a setting in the configuration file."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import tomlkit
import tomlkit.items

from livebg.errors import SetupError
from livebg.setup.journal import FileChange
from livebg.setup.modprobe_options import FILE
from livebg.setup.plan import Plan, user_plan
from livebg.setup.target import Machine
from livebg.system import files

_VISIBILITY_NOTE: Final = (
    "Only programs that use PipeWire see this camera: Chromium with chrome://flags/#enable-webrtc-pipewire-camera, Firefox with "
    "media.webrtc.camera.allow-pipewire in about:config, OBS and GNOME apps, but not Zoom or other programs that use /dev/video*."
)


def make_pipewire_plan(machine: Machine, settings: Path, service: bool) -> Plan:
    """Plan the missing steps for the camera and, with ``service``, for the user service. ``settings`` is the configuration file.

    Changes nothing. Raises :class:`~livebg.errors.SetupError` if PipeWire is not installed or the file cannot be read.
    """
    if not machine.commands.find("pipewire"):
        raise SetupError(
            "PipeWire is not installed.", "Install pipewire and wireplumber, then run livebg setup --pipewire again."
        )
    notes = [_VISIBILITY_NOTE]
    if machine.path(FILE).exists():
        notes.append("The v4l2loopback camera remains, without a picture. To remove it, run `livebg setup --undo` first.")
    before = files.read(settings)
    after = with_pipewire((before or b"").decode()).encode()
    changed = [FileChange(path=settings, as_root=False, before=before, after=after)] if before != after else []
    plan = user_plan(machine, service)
    return replace(plan, files=(*changed, *plan.files), notes=(*notes, *plan.notes), restart_service=bool(changed))


def with_pipewire(text: str) -> str:
    """Return a configuration with ``output.backend`` set to ``pipewire`` and everything else unchanged, including comments.

    ``text`` must be valid TOML; if it has ``output``, that is a table.
    """
    document = tomlkit.parse(text)
    output = document.setdefault("output", tomlkit.table())
    assert isinstance(output, dict), "the settings have been read, so it is a table"
    if output.get("backend") == "pipewire":
        return text
    output["backend"] = "pipewire"
    return tomlkit.dumps(document)
