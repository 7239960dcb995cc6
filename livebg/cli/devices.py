"""``livebg devices``."""

import json
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from livebg.cli.console import output
from livebg.cli.options import ConfigOption
from livebg.config.parsing import parse_size
from livebg.errors import ConfigError

if TYPE_CHECKING:
    from livebg.system.devices import CameraInfo, Devices, LoopbackInfo
    from livebg.v4l2.modes import Mode
    from livebg.v4l2.syscalls import Holder

_SIZES_PER_LINE: Final = 4
_NO_CAMERA: Final = "No camera found. Plug one in, or use a video file with `livebg run --camera FILE`."
_NO_LOCAL_CAMERAS: Final = "livebg reads local cameras only on Linux. Use `livebg run --camera` with a URL or a video file."


def devices(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False, config: ConfigOption = None
) -> None:
    """List cameras with their modes, and loopback devices."""
    from livebg.config.loading import load_settings

    settings = load_settings({}, config)
    from livebg.system.devices import list_devices

    size = parse_size(settings.camera.size)
    assert size is not None, "a camera's size is never auto"
    found = list_devices(settings.output.label, size, settings.camera.frame_rate, running=_running())
    if as_json:
        output().print(json.dumps(facts(found)), markup=False)
    else:
        print_devices(found)


def _running() -> int | None:
    """Return the process ID of the running livebg; None if none runs or its folder cannot be read."""
    from livebg.daemon.runtime_dir import running_pid

    with suppress(ConfigError):
        return running_pid()
    return None


def print_devices(found: "Devices") -> None:
    """Print the devices as tables and text."""
    out = output()
    for camera in found.cameras:
        out.print(_camera_table(camera))
    on_linux = sys.platform == "linux"
    if not found.cameras:
        out.print(_NO_CAMERA if on_linux else _NO_LOCAL_CAMERAS, markup=False)
    for loopback in found.loopbacks:
        out.print(_loopback_lines(loopback), markup=False)
    if not found.loopbacks and on_linux:
        from livebg.v4l2.loopback import modprobe_line

        out.print(f"No v4l2loopback device. Run `livebg setup` to create one, or `{modprobe_line('livebg')}`.", markup=False)
    for path, why in found.reasons:
        out.print(f"{path} {why}", markup=False)


def facts(found: "Devices") -> dict[str, Any]:
    """Return the devices as JSON-compatible data."""
    return {
        "cameras": [_camera_facts(camera) for camera in found.cameras],
        "loopbacks": [_loopback_facts(loopback) for loopback in found.loopbacks],
        "refused": [{"path": str(path), "why": why} for path, why in found.reasons],
    }


def _camera_table(camera: "CameraInfo") -> Table:
    device = camera.device
    about = f"{device.card} ({device.path}), {device.driver}, {device.bus}{_held(camera.holders)}"
    table = Table(
        "", "size", "frames per second", box=box.SIMPLE_HEAD, show_edge=False, title=escape(about), title_justify="left"
    )
    for (name, rates), sizes in _grouped(camera.modes).items():
        for start in range(0, len(sizes), _SIZES_PER_LINE):
            label, per_second = ("", "") if start else (escape(name), rates)
            table.add_row(label, " ".join(sizes[start : start + _SIZES_PER_LINE]), per_second)
    choice = f"livebg selects {camera.choice}" if camera.choice else "livebg supports none of these modes"
    table.caption = escape(f"cannot read its modes: {camera.error}" if camera.error else choice)
    table.caption_justify = "left"
    return table


def _grouped(modes: "Iterable[Mode]") -> dict[tuple[str, str], list[str]]:
    """Group the sizes by pixel format and frame rates."""
    groups: dict[tuple[str, str], list[str]] = {}
    for mode in modes:
        rates = ", ".join(f"{float(rate):.4g}" for rate in mode.frame_rates) or "unknown"
        groups.setdefault((mode.pixel_format, rates), []).append(f"{mode.width}x{mode.height}")
    return groups


def _loopback_lines(loopback: "LoopbackInfo") -> str:
    device = loopback.device
    capabilities = {"both": "capture and output", "neither": "neither capture nor output"}.get(
        loopback.announces, f"{loopback.announces} only"
    )
    verdict = "usable by livebg" if loopback.usable else "not usable by livebg"
    pixel_format = loopback.format or "no format set"
    about = f"{device.card} ({device.path}), v4l2loopback, {capabilities}, {pixel_format}{_held(loopback.holders)}"
    return f"{about}\n  {verdict}: {loopback.note}"


def _held(holders: "Iterable[Holder]") -> str:
    by = " and ".join(f"{holder.program} (pid {holder.pid}, {holder.access})" for holder in holders)
    return f", opened by {by}" if by else ""


def _camera_facts(camera: "CameraInfo") -> dict[str, Any]:
    device = camera.device
    modes = [
        {
            "pixel_format": mode.pixel_format,
            "size": [mode.width, mode.height],
            "frame_rates": [float(rate) for rate in mode.frame_rates],
        }
        for mode in camera.modes
    ]
    return {
        "path": str(device.path),
        "name": device.card,
        "driver": device.driver,
        "bus": device.bus,
        "modes": modes,
        "choice": camera.choice and str(camera.choice),
        "holders": [holder._asdict() for holder in camera.holders],
        "trouble": camera.error,
    }


def _loopback_facts(loopback: "LoopbackInfo") -> dict[str, Any]:
    device = loopback.device
    return {
        "path": str(device.path),
        "label": device.card,
        "announces": loopback.announces,
        "format": loopback.format,
        "holders": [holder._asdict() for holder in loopback.holders],
        "fit": loopback.usable,
        "remark": loopback.note,
    }
