"""``livebg status``."""

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from livebg.cli.console import output
from livebg.daemon.client import request
from livebg.daemon.status import CameraStatus, CpuCost, ModelStatus, OutputState, OutputStatus, Status
from livebg.live.snapshot import State
from livebg.live.stats import Counts, RecordingStatus
from livebg.native import KernelStatus

_POLL_INTERVAL_S: Final = 1.0
_COLORS: Final[dict[State, str]] = {
    "live": "green",
    "camera lost": "red",
    "stalled": "red",
    "stopping": "yellow",
    "waking": "yellow",
}


def status(
    json_lines: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Update every second, until Ctrl-C.")] = False,
) -> None:
    """Show state, frame rates, latency and CPU time.

    Exit code 6 if livebg is not running.
    """
    out = output()
    if not watch:
        _print(out, request("status"), json_lines)
        return
    try:
        _watch(out, json_lines)
    except KeyboardInterrupt:
        return  # Ctrl-C ends --watch normally


def _watch(out: Console, json_lines: bool) -> None:
    responses = _poll()
    if json_lines or not out.is_terminal:
        for response in responses:
            _print(out, response, json_lines)
            if out.quiet:  # the reader closed the pipe
                return
    with Live(_table(Status.from_dict(next(responses))), console=out, auto_refresh=False, vertical_overflow="visible") as live:
        for response in responses:
            live.update(_table(Status.from_dict(response)), refresh=True)


def _poll() -> Iterator[Any]:
    while True:
        begin = time.monotonic()
        yield request("status")
        time.sleep(max(0.0, begin + _POLL_INTERVAL_S - time.monotonic()))


def _print(out: Console, response: Any, json_lines: bool) -> None:
    if json_lines:
        out.print(json.dumps(response), markup=False)
    else:
        out.print(_table(Status.from_dict(response)))


def _table(status: Status) -> Table:
    table = Table.grid(padding=(0, 3))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in _rows(status):
        table.add_row(name, text if isinstance(text, Text) else Text(text))
    return table


def _rows(status: Status) -> Iterator[tuple[str, str | Text]]:
    yield "state", Text(status.state, style=f"bold {_COLORS.get(status.state, '')}")
    if status.reason:
        yield "", status.reason
    yield "mode", status.mode
    yield "watched", _watched(status)
    yield "camera", _camera(status.camera)
    yield "output", _output(status.output)
    if len(status.outputs) > 1:
        yield from (("", _output_state(each)) for each in status.outputs)
    yield "rate", f"{status.fps_in:.1f} fps in, {status.fps_out:.1f} fps out"
    if status.latency:
        yield "latency", f"p50 {status.latency.p50_ms:.0f} ms, p95 {status.latency.p95_ms:.0f} ms"
    if status.delay:
        yield "delay", f"{status.delay.ms:.0f} ms for smoothing, {-status.delay.dtssd_percent:g} % less flicker (dtSSD)"
    yield "frames", _counts(status.counts)
    if status.cpu_ms:
        yield "CPU", _cost(status.cpu_ms)
    yield from _details(status)
    if status.degraded:
        yield "reduced quality", ", ".join(status.degraded)
    if status.last_error:
        yield "last error", f"{status.last_error.text} ({_duration(status.last_error.seconds_ago)} ago)"
    yield "running", f"for {_duration(status.uptime)}, pid {status.pid}, livebg {status.version}"


def _details(status: Status) -> Iterator[tuple[str, str]]:
    if status.model:
        yield "model", _model(status.model)
    if status.kernels:
        yield "kernels", _kernels(status.kernels)
    if status.recording:
        yield "recording", _recording(status.recording)


def _recording(recording: RecordingStatus) -> str:
    sound = f", with the microphone {recording.audio}" if recording.audio else ", without sound"
    return f"{recording.path}, {_duration(recording.seconds)}{sound}"


def _watched(status: Status) -> str:
    previews = f", previews open: {status.previews}" if status.previews else ""
    if status.watched_by == "unknown":
        return f"unknown (camera stays on){previews}"
    return f"yes{previews}" if status.watched else "no"


def _camera(camera: CameraStatus) -> str:
    if camera.name is None:
        return f"not open (requested: {camera.requested})"
    opened = f"opened {camera.opened} times" if camera.opened > 1 else ""
    return ", ".join(part for part in (camera.name, camera.mode_description, opened) if part)


def _output(output: OutputStatus) -> str:
    device = f" {output.device}" if output.device else ""
    return f"{output.backend}{device}, {output.width}x{output.height} at {output.fps:g} fps"


def _output_state(output: OutputState) -> str:
    if output.lost or output.hung:
        return f"{output.backend}: {output.lost or 'It does not respond.'}"
    watched = "unknown" if output.watched_by == "unknown" else "yes" if output.watched else "no"
    return f"{output.backend}{f' {output.device}' if output.device else ''}: {output.fps:.1f} fps, watched: {watched}"


def _counts(counts: Counts) -> str:
    frames = f"{counts.captured} captured, {counts.sent} sent, {counts.dropped} dropped, {counts.failed} failed"
    return f"{frames}; {counts.repeated} repeated, {counts.placeholders} placeholders"


def _cost(cost: CpuCost) -> str:
    stages = ", ".join(f"{name} {milliseconds:.1f}" for name, milliseconds in cost.stages.items())
    return f"{cost.total:.1f} ms per frame" + (f": {stages}" if stages else "")


def _model(model: ModelStatus) -> str:
    size = " at {}x{}".format(*model.input_size) if model.input_size else ""
    return f"{model.name}{size} on {model.provider}"


def _kernels(kernels: KernelStatus) -> str:
    return f"{kernels.implementation} ({kernels.reason.removesuffix('.')})" if kernels.reason else kernels.implementation


def _duration(seconds: float) -> str:
    """Format as ``5 s``, or from one minute as ``0:01:05``."""
    return f"{seconds:.0f} s" if seconds < 59.5 else str(timedelta(seconds=round(seconds)))
