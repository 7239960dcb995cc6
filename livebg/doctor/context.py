"""What a check receives, the facts of this machine, each queried once; and what it returns, a finding."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, wraps
from pathlib import Path
from typing import Any, Final, Literal

from livebg.config.loading import load_settings
from livebg.config.parsing import parse_size
from livebg.config.settings import Settings
from livebg.daemon.client import request
from livebg.daemon.runtime_dir import running_pid
from livebg.daemon.status import Status
from livebg.errors import ConfigError, LivebgError
from livebg.interfaces import Segmenter
from livebg.setup.target import own_command
from livebg.system.devices import Devices, LoopbackInfo, list_devices
from livebg.system.host import Host
from livebg.v4l2.syscalls import Holder

NO_DEVICE: Final = "No virtual camera to check yet"
Verdict = Literal["ok", "warn", "FAIL", "skipped"]
"""ok: no problem; warn: works with a limitation or temporarily; FAIL: livebg does not work or is not visible to apps; skipped:
the check does not apply or could not run."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check.

    ``message`` is a sentence without its full stop. ``fix`` is the command or step that solves the problem, if any.
    """

    status: Verdict
    message: str
    fix: str | None = None


def ok(message: str) -> Finding:
    """Return a finding without a problem."""
    return Finding("ok", message)


def warn(message: str, fix: str | None = None) -> Finding:
    """Return a finding about a limitation."""
    return Finding("warn", message, fix)


def fail(message: str, fix: str) -> Finding:
    """Return a finding about a problem that prevents livebg from working."""
    return Finding("FAIL", message, fix)


def skipped(message: str) -> Finding:
    """Return a finding for a check that did not run; ``message`` is the reason."""
    return Finding("skipped", message)


def from_error(error: LivebgError) -> Finding:
    """Convert an error: its hint becomes the fix."""
    return Finding("FAIL", error.message.removesuffix("."), error.hint and error.hint.removesuffix("."))


@dataclass(frozen=True, slots=True)
class Result:
    """The finding of a check. ``check`` is a unique, stable name that programs may rely on."""

    group: str
    check: str
    finding: Finding

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-compatible dict with the keys ``group``, ``check``, ``status``, ``message`` and ``fix`` (str or None)."""
        return {"group": self.group, "check": self.check, **asdict(self.finding)}


@dataclass(frozen=True, slots=True)
class Running:
    """The running livebg: its process id (None: not running, 0: unknown), its status, or the error that prevented it."""

    pid: int | None
    status: Status | None
    error: LivebgError | None = None


class CheckContext:
    """Facts of one diagnostic run. ``config`` is the configuration file, by default the platform's."""

    def __init__(self, host: Host, config: Path | None = None) -> None:
        self.host = host
        self.config = config

    @cached_property
    def _loaded(self) -> tuple[Settings, ConfigError | None]:
        try:
            return load_settings({}, self.config), None
        except ConfigError as error:
            return Settings.model_construct(), error

    @property
    def settings(self) -> Settings:
        """The user's settings, or the defaults if those are invalid."""
        return self._loaded[0]

    @property
    def config_error(self) -> ConfigError | None:
        """The error if the settings are invalid."""
        return self._loaded[1]

    @cached_property
    def running(self) -> Running:
        """The running livebg, if any."""
        try:
            pid = running_pid()
        except ConfigError as error:
            return Running(None, None, error)
        if pid is None:
            return Running(None, None)
        try:
            return Running(pid, Status.from_dict(request("status")))
        except LivebgError as error:
            return Running(pid, None, error)

    @cached_property
    def devices(self) -> Devices:
        """The cameras and loopback devices that responded. No camera is started."""
        camera = self.settings.camera
        size = parse_size(camera.size)
        assert size is not None, "a camera's size is never auto"
        return list_devices(self.label, size, camera.frame_rate, self.host.kernel, running=self.running.pid)

    @cached_property
    def command(self) -> tuple[str, ...]:
        """The command line of this livebg."""
        return own_command()

    @cached_property
    def segmenter(self) -> Segmenter:
        """The configured network, loaded. Raises :class:`~livebg.errors.ModelError` and ImportError."""
        from livebg.factory import build_segmenter  # slow to import, and may fail to import

        return build_segmenter(self.settings)

    @property
    def label(self) -> str:
        """Label of the loopback device that livebg writes to."""
        return self.settings.output.label

    @property
    def camera(self) -> str:
        """Name of the real camera: as requested from the running livebg, otherwise as configured."""
        status = self.running.status
        return status.camera.requested if status else self.settings.camera.device

    @property
    def loopback(self) -> LoopbackInfo | None:
        """The loopback device with that label, if there is exactly one and it can be opened."""
        matching = [facts for facts in self.devices.loopbacks if facts.device.card == self.label]
        return matching[0] if len(matching) == 1 else None

    @property
    def backend(self) -> str:
        """Output backend of the running livebg, otherwise the configured one; ``both`` for v4l2loopback and PipeWire."""
        status = self.running.status
        if status is None:
            return self.settings.output.resolved_backend
        return "both" if len(status.outputs) > 1 else status.output.backend

    @property
    def is_sent_to_pipewire(self) -> bool:
        """Whether the running livebg outputs to PipeWire."""
        status = self.running.status
        if status is None:
            return False
        devices = {status.output.backend: status.output.device} | {each.backend: each.device for each in status.outputs}
        return devices.get("pipewire") is not None

    @property
    def is_written_by_livebg(self) -> bool:
        """Whether the running livebg outputs to the loopback device, or to PipeWire."""
        status = self.running.status
        if status is not None and status.output.backend == "pipewire":
            return self.is_sent_to_pipewire
        loopback = self.loopback
        return status is not None and loopback is not None and status.output.device == str(loopback.device.path)

    def others(self, holders: Sequence[Holder]) -> list[Holder]:
        """Return the holders of a device other than the running livebg."""
        return [holder for holder in holders if holder.pid != self.running.pid]


def needs_loopback(check: Callable[[CheckContext, LoopbackInfo], Finding]) -> Callable[[CheckContext], Finding]:
    """Convert a check of livebg's loopback device to one that is skipped without a device."""

    @wraps(check)
    def run(context: CheckContext) -> Finding:
        return skipped(NO_DEVICE) if context.loopback is None else check(context, context.loopback)

    return run


def format_processes(holders: Sequence[Holder]) -> str:
    """Format programs for a sentence: ``firefox (process 7) and zoom (process 8)``."""
    return " and ".join(f"{holder.program} (process {holder.pid})" for holder in holders)
