"""The plan for a camera of PipeWire's: nothing as root, no kernel module, and one setting that everything shares."""

from pathlib import Path
from typing import Final

import tomlkit
import tomlkit.items

from livebg.errors import SetupError
from livebg.setup.device import DeviceStep
from livebg.setup.modprobe_options import FILE
from livebg.setup.plan import FileChange, Plan, user_changes, with_systemd
from livebg.setup.target import Machine
from livebg.system import files

_WHO: Final = (
    "only programs that ask PipeWire see this camera: Chromium with chrome://flags/#enable-webrtc-pipewire-camera, Firefox with "
    "media.webrtc.camera.allow-pipewire in about:config, OBS, GNOME's; not Zoom's, and nothing else that looks for /dev/video*"
)


def make_pipewire_plan(machine: Machine, settings: Path, service: bool) -> Plan:
    """What a user lacks for the camera, and with ``service`` for the user service; ``settings`` is the configuration file.

    Changes nothing. Raises :class:`~livebg.errors.SetupError` where PipeWire is not installed, or the file cannot be read.
    """
    if not machine.commands.find("pipewire"):
        raise SetupError(
            "PipeWire is not installed here: install pipewire and wireplumber, then run livebg setup --pipewire again"
        )
    remarks = [_WHO]
    if machine.path(FILE).exists():
        remarks.append("the camera of v4l2loopback's stays too, without pictures: `livebg setup --undo` first takes it away")
    service = with_systemd(machine, service, remarks)
    before = files.read(settings)
    after = with_pipewire((before or b"").decode()).encode()
    changed = (FileChange(settings, False, before, after),) if before != after else ()
    return Plan((*changed, *user_changes(machine, service)), DeviceStep(), service, False, tuple(remarks), anew=bool(changed))


def with_pipewire(text: str) -> str:
    """A configuration file in which ``output.backend`` is ``pipewire``, and all else stands as it did, comments among it.

    ``text`` is valid TOML, with a table ``output`` if it has one.
    """
    document = tomlkit.parse(text)
    if "output" not in document:
        document["output"] = tomlkit.table()
    output = document["output"]
    assert isinstance(output, dict), "the settings have been read, so it is a table"
    if output.get("backend") == "pipewire":
        return text
    output["backend"] = "pipewire"
    return tomlkit.dumps(document)
