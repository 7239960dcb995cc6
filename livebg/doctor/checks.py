"""All checks in order, and their execution."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from livebg.doctor import camera, desktop, kernel_module, network, pipewire, service, virtual_camera
from livebg.doctor.context import CheckContext, Finding, Result, skipped, warn
from livebg.system.host import ToolMissing

MEASUREMENT: Final = "speed"
"""Name of the only check that takes several seconds."""


@dataclass(frozen=True, slots=True)
class Check:
    """A check. It applies to the sys.platform values in ``systems`` (None: all) and to the output ``backend`` (None: all)."""

    group: str
    name: str
    run: Callable[[CheckContext], Finding]
    systems: tuple[str, ...] | None = ("linux",)
    backend: Literal["v4l2loopback", "pipewire"] | None = None


CHECKS: Final = (
    Check("virtual camera", "route", pipewire.route),
    Check("virtual camera", "module", kernel_module.installed, backend="v4l2loopback"),
    Check("virtual camera", "Secure Boot", kernel_module.secure_boot, backend="v4l2loopback"),
    Check("virtual camera", "module loaded", kernel_module.loaded, backend="v4l2loopback"),
    Check("virtual camera", "device", virtual_camera.device, backend="v4l2loopback"),
    Check("virtual camera", "device permissions", virtual_camera.permissions, backend="v4l2loopback"),
    Check("virtual camera", "exclusive_caps", virtual_camera.exclusive_caps, backend="v4l2loopback"),
    Check("virtual camera", "device number", virtual_camera.number, backend="v4l2loopback"),
    Check("virtual camera", "writer", virtual_camera.writer, backend="v4l2loopback"),
    Check("virtual camera", "format", virtual_camera.picture_format, backend="v4l2loopback"),
    Check("virtual camera", "openers", virtual_camera.max_openers, backend="v4l2loopback"),
    Check("virtual camera", "on demand", virtual_camera.on_demand, backend="v4l2loopback"),
    Check("virtual camera", "after a restart", kernel_module.after_restart, backend="v4l2loopback"),
    Check("virtual camera", "PipeWire library", pipewire.library, backend="pipewire"),
    Check("virtual camera", "OBS", virtual_camera.obs, ("darwin", "win32")),
    Check("camera", "camera", camera.camera),
    Check("camera", "camera permissions", camera.permissions),
    Check("camera", "camera mode", camera.mode),
    Check("camera", "camera in use", camera.in_use),
    Check("desktop", "session", desktop.session),
    Check("desktop", "PipeWire", desktop.pipewire),
    Check("desktop", "listed once", pipewire.listed_once),
    Check("desktop", "session manager", pipewire.session_manager, backend="pipewire"),
    Check("desktop", "Flatpak", desktop.flatpak),
    Check("desktop", "Snap", desktop.snap),
    Check("desktop", "portal", desktop.portal),
    Check("desktop", "tray", desktop.tray),
    Check("network", "libraries", network.libraries, None),
    Check("network", "model", network.model, None),
    Check("network", "provider", network.provider, None),
    Check("network", "kernels", network.kernels),
    Check("network", MEASUREMENT, network.speed, None),
    Check("service", "configuration", service.configuration, None),
    Check("service", "installation", service.installation),
    Check("service", "unit", service.unit),
    Check("service", "running", service.running, ("linux", "darwin")),
    Check("service", "version", service.version, None),
)


def run_checks(context: CheckContext, measuring: bool = True) -> Iterator[Result]:
    """Run all checks that apply to this system. Without ``measuring`` the measurement is skipped."""
    for check in CHECKS:
        if check.systems is None or context.host.system in check.systems:
            if check.name == MEASUREMENT and not measuring:
                yield Result(check.group, check.name, skipped("Skipped by option"))
            else:
                yield Result(check.group, check.name, _run_check(check, context))


def _run_check(check: Check, context: CheckContext) -> Finding:
    """Run one check. A failing check never prevents the others from running."""
    if check.backend is not None and context.backend not in (check.backend, "both"):
        return skipped(f"Only applies to {check.backend}, but output.backend is {context.backend}")
    try:
        return check.run(context)
    except ToolMissing as error:
        return skipped(str(error))
    except Exception as error:  # noqa: BLE001 - tools and drivers can answer anything
        return warn(f"Check failed: {error}")
