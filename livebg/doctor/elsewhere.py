"""Checks for macOS and Windows, where the virtual camera is OBS's."""

from typing import Final

from livebg.doctor.context import Examination
from livebg.doctor.findings import Finding, fail, ok
from livebg.system.host import ToolMissing

_MACOS: Final = ("/Library/CoreMediaIO/Plug-Ins/DAL/obs-mac-virtualcam.plugin", "/Applications/OBS.app")
_WINDOWS: Final = r"HKLM\SOFTWARE\Classes\CLSID\{A3FCE0F5-3493-419F-958A-ABA1250EC20B}"
"""Under this name OBS registers its camera."""
_INSTALL: Final = "install OBS Studio, start it, press Start Virtual Camera once, stop it and quit OBS"


def obs(exam: Examination) -> Finding:
    """Whether OBS's virtual camera is installed."""
    host = exam.host
    if host.system == "darwin":
        there = any(host.path(place).exists() for place in _MACOS)
    else:
        try:
            there = host.commands.run("reg", "query", _WINDOWS).code == 0
        except ToolMissing:
            there = False
    if there:
        return ok("OBS's virtual camera is installed; it must not be running in OBS itself")
    return fail("OBS's virtual camera, through which livebg is seen here, is not installed", _INSTALL)
