"""Finding the loopback device that livebg writes to."""

import errno
from pathlib import Path
from typing import Final

from livebg.errors import SinkError
from livebg.v4l2.device import Device, Refused, survey
from livebg.v4l2.syscalls import SYSTEM, Kernel


def modprobe_line(label: str) -> str:
    """The command that makes a loopback device of this label; Firefox looks at numbers below 64 only."""
    return f"sudo modprobe v4l2loopback card_label={label} exclusive_caps=1 video_nr=42"


def find_loopback(label: str, kernel: Kernel = SYSTEM) -> Path:
    """The path of the v4l2loopback device whose card label is ``label``.

    Raises :class:`~livebg.errors.SinkError` when there is none, when there are several, and when a device may not be opened
    that could be it.
    """
    found, refused = survey(kernel)
    loopbacks = [device for device in found if device.is_loopback]
    fits = [device for device in loopbacks if device.card == label]
    if len(fits) == 1:
        return fits[0].path
    raise SinkError(_several(label, fits) if fits else _none(label, loopbacks, refused))


def _several(label: str, fits: list[Device]) -> str:
    paths = " and ".join(str(device.path) for device in fits)
    return (
        f"several loopback devices are called {label} ({paths}), where livebg needs one: "
        f"load the module anew with `sudo modprobe -r v4l2loopback` and `{modprobe_line(label)}`"
    )


_NOT_ALLOWED: Final = (errno.EACCES, errno.EPERM)


def _none(label: str, loopbacks: list[Device], refused: list[Refused]) -> str:
    forbidden = [each.path for each in refused if each.error.errno in _NOT_ALLOWED]
    if forbidden:
        return (
            f"no loopback device called {label} could be found, and {forbidden[0]} may not be opened by this user: "
            "add yourself to the group video with `sudo usermod -aG video $USER` and log in again"
        )
    if loopbacks:
        names = " and ".join(f"{device.path} ({device.card})" for device in loopbacks)
        return (
            f"no loopback device is called {label}, only {names}: name one of them in the configuration, "
            f"or load the module anew with `sudo modprobe -r v4l2loopback` and `{modprobe_line(label)}`"
        )
    return (
        f"there is no loopback device called {label}: `livebg setup` makes livebg's, or, with the package v4l2loopback-dkms, "
        f"`{modprobe_line(label)}`"
    )
