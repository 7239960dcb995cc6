"""``livebg run``."""

import gc
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from livebg.cli.console import errors
from livebg.cli.options import (
    MODE_HELP,
    BackgroundOption,
    BlurOption,
    ConfigOption,
    FramingOption,
    ModelOption,
    VerboseOption,
    effect_settings,
)
from livebg.config.choices import LiveMode
from livebg.daemon.runtime_dir import HIDDEN_NAME, PAUSED_NAME, hold_lock

if TYPE_CHECKING:
    from livebg.daemon.status import Status

CameraOption = Annotated[
    str | None, typer.Option(metavar="NAME|NUMBER|PATH|URL|FILE", help="Camera, or a video file to use instead.")
]
OutputOption = Annotated[
    str | None, typer.Option(metavar="BACKEND", help="auto, v4l2loopback, pipewire, both, obs, or null (no output).")
]
SizeOption = Annotated[str | None, typer.Option(metavar="WxH", help="Camera resolution; default 1280x720.")]


def run(
    camera: CameraOption = None,
    output: OutputOption = None,
    mode: Annotated[Literal[LiveMode, "none"] | None, typer.Option(help=MODE_HELP)] = None,
    background: BackgroundOption = None,
    blur: BlurOption = None,
    framing: FramingOption = None,
    size: SizeOption = None,
    fps: Annotated[float | None, typer.Option(min=1, max=240, help="Camera frame rate; default 30.")] = None,
    mirror: Annotated[bool | None, typer.Option("--mirror/--no-mirror", help="Mirror the picture horizontally.")] = None,
    rotate: Annotated[int | None, typer.Option(metavar="DEGREES", help="Rotate clockwise: 90, 180 or 270.")] = None,
    output_size: Annotated[str | None, typer.Option(metavar="WxH", help="Output resolution; default that of the camera.")] = None,
    model: ModelOption = None,
    config: ConfigOption = None,
    _verbose: VerboseOption = False,
) -> None:
    """Run the virtual camera until Ctrl-C or `livebg stop`."""
    options = {
        "camera.device": camera,
        "camera.size": size,
        "camera.frame_rate": fps,
        "camera.mirror": mirror,
        "camera.rotate": rotate,
        "output.backend": output,
        "output.size": output_size,
        "model.name": model,
    }
    gc.disable()  # the imports and settings of the start stay: searching them for garbage takes 5 % of its CPU time
    try:
        reason = _run(options | effect_settings(mode, background, blur, framing), config, mode == "none")
    finally:
        gc.enable()
    errors().print(f"livebg stopped{f': {reason}' if reason else ''}.", soft_wrap=True)


def _run(options: Mapping[str, object], config: Path | None, no_effect: bool) -> str | None:
    """Run the virtual camera. Returns why it ended by itself, or None if it was stopped."""
    from livebg.daemon.saved_choices import SavedChoices
    from livebg.daemon.settings_layers import SettingsLayers

    choices = SavedChoices()
    layers = SettingsLayers.start(options, config, choices.read())
    layers.settings()  # report invalid settings before loading anything
    with hold_lock() as folder:
        from livebg.cli.consent import room_commands, room_views
        from livebg.compositing.composite import Consent
        from livebg.daemon.app import run_camera
        from livebg.daemon.upgrade import become_new_version
        from livebg.live.session import ExitReason

        hidden = no_effect and (folder / HIDDEN_NAME).exists()
        if hidden:
            errors().print("The effect was on when livebg ended, so it is on. Run `livebg off` to show the room.", soft_wrap=True)
        consent = Consent("livebg run --mode none") if no_effect and not hidden else None
        ended = run_camera(folder, layers, choices, consent, room_commands, room_views(), _print_started)
        if ended is not ExitReason.UPGRADE:  # only an upgrade and a crash continue a pause and a hidden room
            for name in (PAUSED_NAME, HIDDEN_NAME):
                with suppress(OSError):  # the folder may be gone, after a logout
                    (folder / name).unlink()
    if ended is ExitReason.UPGRADE:
        become_new_version()
    return None if ended is ExitReason.STOP else ended.value


def _print_started(status: "Status") -> None:
    gc.freeze()  # nor do later searches look at them
    gc.enable()
    output = status.output
    devices = " and ".join(each.device for each in status.outputs if each.device) or output.device
    started = "Running without an output" if output.backend == "null" else f"Virtual camera 'livebg' ready at {devices}"
    ready = f"{started} ({output.width}x{output.height}, {status.mode}). Press Ctrl-C or run `livebg stop` to quit."
    errors().print(ready, soft_wrap=True)
