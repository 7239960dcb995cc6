"""``livebg run``."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from livebg.cli.completion import complete_background
from livebg.cli.console import ConfigOption, ModelOption, VerboseOption, errors, exit_on_error, set_verbosity
from livebg.daemon.runtime_dir import PREVIEW_NAME, SOCKET_NAME, hold_lock
from livebg.daemon.saved_choices import SavedChoices
from livebg.daemon.settings_layers import SettingsLayers
from livebg.errors import ConfigError

if TYPE_CHECKING:
    from livebg.daemon.status import Status
    from livebg.daemon.systemd import SystemdNotifier
    from livebg.live.session import ExitReason

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
    set_verbosity(verbose)
    with exit_on_error():
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


def _run(options: Mapping[str, Any], config: Path | None, no_effect: bool) -> "ExitReason":
    choices = SavedChoices()
    layers = SettingsLayers.start(options, config, choices.read())
    layers.settings()  # report invalid settings before loading anything
    with hold_lock() as folder:
        import cv2

        from livebg.cli.consent import room_commands, room_views
        from livebg.compositing.composite import Consent
        from livebg.daemon.bootstrap import build_session, drop_stale_choices
        from livebg.daemon.commands import commands
        from livebg.daemon.controller import SessionController
        from livebg.daemon.preview_server import PreviewServer
        from livebg.daemon.screen_lock import watch_screen_lock
        from livebg.daemon.server import ControlServer, no_arguments
        from livebg.daemon.sighup import reload_on_sighup
        from livebg.daemon.status_reporter import StatusReporter
        from livebg.daemon.systemd import SystemdNotifier
        from livebg.daemon.views import views
        from livebg.live.session import ExitReason

        cv2.setNumThreads(1)  # the planes of a frame are too small for more threads
        consent = Consent("livebg run --mode none") if no_effect else None
        layers = layers if no_effect else drop_stale_choices(layers)
        manager = SystemdNotifier()
        session, builder = build_session(layers.settings(), consent)
        steering = SessionController(session, builder, layers, choices, consent)
        tell = StatusReporter(session, steering, builder)

        requests = {"status": no_arguments(lambda: tell().as_dict()), "stop": no_arguments(session.stop)}
        server = ControlServer(folder / SOCKET_NAME, requests | commands(steering) | room_commands(steering))
        previews = PreviewServer(folder / PREVIEW_NAME, session.audience, views() | room_views(), lambda: tell().as_dict())
        server.start()
        try:
            previews.start()
            with reload_on_sighup(steering.reload), watch_screen_lock(layers.settings().output.pause_on_lock, session.lock):
                return session.run(lambda: _print_started(tell(), manager), manager.alive)
        except KeyboardInterrupt:  # Ctrl-C and SIGTERM end a daemon normally
            return ExitReason.STOP
        finally:
            manager.stopping()
            previews.close()
            server.close()


def _print_started(status: "Status", manager: "SystemdNotifier") -> None:
    manager.ready()
    output = status.output
    started = "Running without an output" if output.backend == "null" else f"Virtual camera 'livebg' ready at {output.device}"
    errors().print(f"{started} ({output.width}x{output.height}, {status.mode}). Press Ctrl-C or run `livebg stop` to quit.")


def _print_stopped(reason: "ExitReason") -> None:
    from livebg.live.session import ExitReason

    errors().print("livebg stopped." if reason is ExitReason.STOP else f"livebg stopped: {reason.value}.")
