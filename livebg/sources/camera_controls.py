"""The controls of local cameras and their values saved by the user, which each opening of the camera restores."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from livebg.errors import ConfigError, LivebgError, SinkError
from livebg.platform.state_file import StateFile
from livebg.v4l2.controls import AUTOMATIC, Control, check_settable, find_control, read_controls, write_control
from livebg.v4l2.device import Device, open_device
from livebg.v4l2.find_camera import camera_failure, find_camera
from livebg.v4l2.syscalls import SYSCALLS, Syscalls

_LOG: Final = logging.getLogger(__name__)


class SavedControls:
    """The saved values of all cameras: ``cameras.json`` in the user's state folder, or ``path``.

    A camera is recognized by its name and its port (V4L2's card and bus). One that moved to another port is recognized by its
    name, if values are saved for only one camera of that name.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._file = StateFile("cameras.json", "camera controls", path)

    def of(self, device: Device) -> dict[str, Any]:
        """Return the saved values by key; empty if there are none. The values are not checked."""
        ports = self._file.read().get(device.card)
        if not isinstance(ports, dict):
            return {}
        values = ports.get(device.bus, next(iter(ports.values())) if len(ports) == 1 else None)
        return values if isinstance(values, dict) else {}

    def save(self, device: Device, values: Mapping[str, int]) -> None:
        """Replace the values of one camera. Raises :class:`~livebg.errors.SinkError` if the file cannot be written."""
        data = self._file.read()
        ports = data.get(device.card)
        data[device.card] = (ports if isinstance(ports, dict) else {}) | {device.bus: dict(values)}
        reason = self._file.write(data)
        if reason is not None:
            raise SinkError(f"The camera controls are not saved: {reason}.", "Make the folder writable.")


class CameraControls:
    """The controls of one camera, which may be streaming. The camera is opened for each call, which starts no stream.

    Raises :class:`~livebg.errors.SourceError` if the camera cannot be used.
    """

    def __init__(self, device: Device, saved: SavedControls, kernel: Syscalls = SYSCALLS) -> None:
        self.device = device
        self._saved, self._kernel = saved, kernel

    def read(self) -> list[Control]:
        """Return all controls with their current values."""
        try:
            with open_device(self.device.path, self._kernel) as fd:
                return list(read_controls(fd, self._kernel).values())
        except OSError as error:
            raise camera_failure(self.device, error, self._kernel) from error

    def set(self, key: str, value: object) -> None:
        """Set one control. Raises :class:`~livebg.errors.ConfigError` for an unknown key, an invalid value or an inactive
        control."""
        try:
            with open_device(self.device.path, self._kernel) as fd:
                self._set(fd, read_controls(fd, self._kernel), key, value)
        except OSError as error:
            raise camera_failure(self.device, error, self._kernel) from error

    def save(self) -> list[str]:
        """Save the current values of the active controls, to be restored by each opening. Returns their keys."""
        values = {control.key: control.value for control in self.read() if control.active}
        if not values:
            raise ConfigError(f"The camera {self.device} has no controls to save.", "Choose another camera.")
        self._saved.save(self.device, values)
        return list(values)

    def restore(self) -> None:
        """Set the saved values. Values that cannot be set are logged and skipped. Does nothing if none are saved."""
        values = self._saved.of(self.device)
        if not values:
            return
        try:
            with open_device(self.device.path, self._kernel) as fd:
                self._restore(fd, values, automatic=True)
                self._restore(fd, values, automatic=False)
        except OSError as error:
            _LOG.warning("Cannot restore the controls of the camera %s (%s).", self.device, error.strerror)

    def _restore(self, fd: int, values: Mapping[str, Any], *, automatic: bool) -> None:
        """Set the automatic controls or all others, whose activity depends on them. Skips what is as saved."""
        controls = read_controls(fd, self._kernel)
        for key, value in values.items():
            control = controls.get(key)
            if control is not None and (control.id in AUTOMATIC) == automatic and control.value != value:
                try:
                    self._set(fd, controls, key, value)
                except LivebgError as error:
                    _LOG.warning("Cannot restore %s of the camera %s: %s", key, self.device, error.message)

    def _set(self, fd: int, controls: Mapping[str, Control], key: str, value: object) -> None:
        control = find_control(controls, key)
        number = control.parse(value)
        check_settable(control, controls)
        try:
            write_control(fd, self._kernel, control, number)
        except OSError as error:
            raise ConfigError(
                f"The camera {self.device} refused {key}={number} ({error.strerror}).", "Try another value."
            ) from error


def controls_of(camera: str, saved: SavedControls, kernel: Syscalls = SYSCALLS) -> CameraControls:
    """Return the controls of a camera by its name in the settings.

    Raises :class:`~livebg.errors.ConfigError` for a network camera and :class:`~livebg.errors.SourceError` if there is no such
    local camera.
    """
    if "://" in camera:
        raise ConfigError("A network camera has no controls that livebg can set.", "Use the camera's own page.")
    return CameraControls(find_camera(camera, kernel), saved, kernel)
