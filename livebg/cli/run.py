"""``livebg run``."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from livebg.cli.completion import complete_background
from livebg.cli.console import ConfigOption, ModelOption, VerboseOption, be_verbose, errors, spoken_errors
from livebg.daemon.runtime_dir import PREVIEW_NAME, SOCKET_NAME, hold_lock
from livebg.daemon.saved_choices import Choices
from livebg.daemon.settings_layers import Layers
from livebg.errors import ConfigError

if TYPE_CHECKING:
    from livebg.daemon.status import Status
    from livebg.daemon.systemd import ServiceManager
    from livebg.live.session import Exit

RunMode = Literal["portrait", "greenscreen", "background", "matte", "none"]
CameraOption = Annotated[
    str | None, typer.Option(metavar="NAME|NUMBER|PATH|URL|FILE", help="Camera, or a video file to use instead.")
]
OutputOption = Annotated[
    str | None, typer.Option(metavar="BACKEND", help="auto, v4l2loopback, pipewire, obs, or null (no output).")
]
SizeOption = Annotated[str | None, typer.Option(metavar="WxH", help="Camera resolution; default 1280x720.")]


def run(
    camera: CameraOption = None,
    output: OutputOption = None,
    mode: Annotated[RunMode | None, typer.Option(help="Effect; default portrait. none: show the room as it is.")] = None,
    background: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|#rrggbb|NAME",
            help="Background: a picture, a video, a color, or a built-in one.",
            autocompletion=complete_background,
        ),
    ] = None,
    blur: Annotated[
        float | None, typer.Option(min=0, max=1, help="Blur width as a fraction of the frame height; default 0.025.")
    ] = None,
    framing: Annotated[
        float | None, typer.Option(min=1, max=3, help="Auto-framing: follow the person, zooming in at most this much.")
    ] = None,
    size: SizeOption = None,
    fps: Annotated[float | None, typer.Option(min=1, max=240, help="Camera frame rate; default 30.")] = None,
    mirror: Annotated[bool | None, typer.Option("--mirror/--no-mirror", help="Mirror the picture horizontally.")] = None,
    rotate: Annotated[int | None, typer.Option(metavar="DEGREES", help="Rotate clockwise: 90, 180 or 270.")] = None,
    output_size: Annotated[str | None, typer.Option(metavar="WxH", help="Output resolution; default that of the camera.")] = None,
    model: ModelOption = None,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Run the virtual camera until Ctrl-C or `livebg stop`."""
    be_verbose(verbose)
    with spoken_errors():
        if background is not None and mode not in (None, "background"):
            raise ConfigError(f"--background requires --mode background, not --mode {mode}. Leave one of them out.")
        chosen = "background" if background is not None else mode
        overrides = {
            "camera.device": camera,
            "camera.size": size,
            "camera.frame_rate": fps,
            "camera.mirror": mirror,
            "camera.rotate": rotate,
            "output.backend": output,
            "output.size": output_size,
            "effect.mode": None if chosen == "none" else chosen,
            "effect.background": background,
            "effect.blur": blur,
            "effect.framing": framing,
            "model.name": model,
        }
        ended = _run(overrides, config, chosen == "none")
    _print_stopped(ended)


def _run(options: Mapping[str, Any], config: Path | None, no_effect: bool) -> "Exit":
    choices = Choices()
    layers = Layers.start(options, config, choices.read())
    layers.settings()  # report invalid settings before loading anything
    with hold_lock() as folder:
        import cv2

        from livebg.cli.consent import room_commands, room_views
        from livebg.compositing.composite import Consent
        from livebg.daemon.bootstrap import build_session, startable
        from livebg.daemon.commands import commands
        from livebg.daemon.controller import Steering
        from livebg.daemon.preview_server import PreviewServer
        from livebg.daemon.screen_lock import heeding_the_lock
        from livebg.daemon.server import ControlServer, no_arguments
        from livebg.daemon.sighup import reloading_on_hangup
        from livebg.daemon.status_reporter import StatusTeller
        from livebg.daemon.systemd import ServiceManager
        from livebg.daemon.views import views
        from livebg.live.session import Exit

        cv2.setNumThreads(1)  # the planes of a frame are too small for more threads
        consent = Consent("livebg run --mode none") if no_effect else None
        layers = layers if no_effect else startable(layers)
        manager = ServiceManager()
        session, builder = build_session(layers.settings(), consent, manager.alive)
        steering = Steering(session, builder, layers, choices, consent)
        tell = StatusTeller(session, steering, builder)

        requests = {"status": no_arguments(lambda: tell().as_dict()), "stop": no_arguments(session.stop)}
        server = ControlServer(folder / SOCKET_NAME, requests | commands(steering) | room_commands(steering))
        previews = PreviewServer(folder / PREVIEW_NAME, session.audience, views() | room_views(), lambda: tell().as_dict())
        server.start()
        try:
            previews.start()
            with reloading_on_hangup(steering.reload), heeding_the_lock(layers.settings().output.pause_on_lock, session.lock):
                return session.run(lambda: _print_started(tell(), manager))
        except KeyboardInterrupt:  # Ctrl-C and SIGTERM end a daemon normally
            return Exit.STOP
        finally:
            manager.stopping()
            previews.close()
            server.close()


def _print_started(status: "Status", manager: "ServiceManager") -> None:
    manager.ready()
    output = status.output
    started = "Running without an output" if output.backend == "null" else f"Virtual camera 'livebg' ready at {output.device}"
    errors().print(f"{started} ({output.width}x{output.height}, {status.mode}). Press Ctrl-C or run `livebg stop` to quit.")


def _print_stopped(reason: "Exit") -> None:
    from livebg.live.session import Exit

    errors().print("livebg stopped." if reason is Exit.STOP else f"livebg stopped: {reason.value}.")
