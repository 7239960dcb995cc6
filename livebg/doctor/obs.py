"""Check of OBS's virtual camera, which livebg uses on macOS and Windows."""

from typing import Final

from livebg.doctor.context import CheckContext
from livebg.doctor.findings import Finding, fail, ok
from livebg.system.host import ToolMissing

_MACOS: Final = ("/Library/CoreMediaIO/Plug-Ins/DAL/obs-mac-virtualcam.plugin", "/Applications/OBS.app")
_WINDOWS: Final = r"HKLM\SOFTWARE\Classes\CLSID\{A3FCE0F5-3493-419F-958A-ABA1250EC20B}"
"""Registry key of OBS's virtual camera."""
_INSTALL: Final = "Install OBS Studio, start it, press Start Virtual Camera once, stop it and quit OBS"


def installed(exam: CheckContext) -> Finding:
    """Check that OBS's virtual camera is installed."""
    host = exam.host
    if host.system == "darwin":
        present = any(host.path(place).exists() for place in _MACOS)
    else:
        try:
            present = host.commands.run("reg", "query", _WINDOWS).code == 0
        except ToolMissing:
            present = False
    if present:
        return ok("OBS's virtual camera is installed. It must not be active in OBS itself")
    return fail("OBS's virtual camera, which livebg needs on this system, is not installed", _INSTALL)
