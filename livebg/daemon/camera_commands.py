"""The commands of the control socket for the controls of the camera, such as exposure and focus. None shows the room."""

from collections.abc import Callable, Mapping
from typing import Any

from livebg.config.settings import Settings
from livebg.daemon.server import Command, no_arguments
from livebg.errors import ConfigError
from livebg.live.session import Session
from livebg.sources.camera import CameraSource
from livebg.sources.camera_controls import CameraControls, SavedControls, controls_of
from livebg.v4l2.controls import Control


def camera_commands(controls: Callable[[], CameraControls]) -> dict[str, Command]:
    """Return the commands by name. ``controls`` returns those of the current camera."""

    def set_control(arguments: Mapping[str, Any]) -> dict[str, Any]:
        key = arguments.get("key")
        if arguments.keys() != {"key", "value"} or not isinstance(key, str):
            raise ConfigError("The command takes exactly the arguments key, a string, and value.", "Pass only these.")
        current = controls()
        current.set(key, arguments["value"])
        return controls_as_dict(current)

    def save() -> dict[str, Any]:
        current = controls()
        return {"camera": str(current.device), "saved": current.save()}

    return {
        "camera_controls": no_arguments(lambda: controls_as_dict(controls())),
        "set_camera_control": set_control,
        "save_camera_controls": no_arguments(save),
    }


def session_controls(session: Session, settings: Settings) -> CameraControls:
    """Return the controls of the session's open camera, or else of the one in the settings. Raises as
    :func:`~livebg.sources.camera_controls.controls_of` does."""
    source = session.snapshot().source
    if isinstance(source, CameraSource):
        return CameraControls(source.device, SavedControls())
    return controls_of(settings.camera.device, SavedControls())


def controls_as_dict(controls: CameraControls) -> dict[str, Any]:
    """Return the camera and its controls with their present values as JSON-compatible data."""
    return {"camera": str(controls.device), "controls": [_as_dict(control) for control in controls.read()]}


def _as_dict(control: Control) -> dict[str, Any]:
    """``active`` is false if the control cannot be set now; ``activate`` is the setting that changes that, or null."""
    return {
        "key": control.key,
        "name": control.name,
        "type": control.type,
        "minimum": control.minimum,
        "maximum": control.maximum,
        "step": control.step,
        "default": control.default,
        "value": control.value,
        "menu": None if control.menu is None else {str(value): name for value, name in control.menu.items()},
        "active": control.active,
        "read_only": control.read_only,
        "activate": control.activate,
    }
