"""Finds the loopback device that livebg writes to."""

from pathlib import Path

from livebg.errors import SinkError
from livebg.v4l2.device import Device, InaccessibleDevice, enumerate_devices
from livebg.v4l2.find_camera import GROUP_HINT
from livebg.v4l2.syscalls import SYSCALLS, Syscalls


def modprobe_line(label: str) -> str:
    """Return the command that creates a loopback device with this label. Firefox ignores video numbers above 63."""
    return f"sudo modprobe v4l2loopback card_label={label} exclusive_caps=1 video_nr=42"


def find_loopback(label: str, kernel: Syscalls = SYSCALLS) -> Path:
    """Return the path of the v4l2loopback device with the card label ``label``.

    Raises :class:`~livebg.errors.SinkError` if there is none, if there are several, or if a device that might be it cannot be
    opened.
    """
    found, refused = enumerate_devices(kernel)
    loopbacks = [device for device in found if device.is_loopback]
    matches = [device for device in loopbacks if device.card == label]
    if len(matches) == 1:
        return matches[0].path
    raise _several_error(label, matches) if matches else _none_error(label, loopbacks, refused)


def _several_error(label: str, matches: list[Device]) -> SinkError:
    paths = " and ".join(str(device.path) for device in matches)
    return SinkError(
        f"Several loopback devices are named {label} ({paths}), but livebg needs exactly one.",
        f"Reload the module with `sudo modprobe -r v4l2loopback` and `{modprobe_line(label)}`.",
    )


def _none_error(label: str, loopbacks: list[Device], refused: list[InaccessibleDevice]) -> SinkError:
    forbidden = [each.path for each in refused if isinstance(each.error, PermissionError)]
    if forbidden:
        return SinkError(
            f"No loopback device named {label} was found, and {forbidden[0]} cannot be opened by this user.",
            GROUP_HINT,
        )
    if loopbacks:
        names = " and ".join(f"{device.path} ({device.card})" for device in loopbacks)
        return SinkError(
            f"No loopback device is named {label}, only {names}.",
            "Set output.label to one of them, "
            f"or reload the module with `sudo modprobe -r v4l2loopback` and `{modprobe_line(label)}`.",
        )
    return SinkError(
        f"There is no loopback device named {label}.",
        f"Run `livebg setup`, or install the package v4l2loopback-dkms and run `{modprobe_line(label)}`.",
    )
