"""Random faults and commands: everything that users, other programs and cables do, repeatedly."""

import json
import random
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from livebg.daemon.protocol import VERSION
from livebg.errors import SourceError
from livebg.live.session import Session
from tests.soak.faults import CameraFaults, NetworkFaults, OutputMonitor, SoakUsage, UnreliableOutput, Violations
from tests.soak.preview_clients import PreviewClients
from tests.soak.recordings import SoakRecordings
from tests.soak.virtual_time import VirtualTime
from tests.support.fake_daemon import LineClient
from tests.support.live_session import reason

NAME: Final = "livebg-chaos"
"""The name of the driver's thread."""
_MEAN_PAUSE: Final = 0.7
"""Seconds of the session's time between two acts."""
_LEFT_BEHIND: Final = 61.0
"""Seconds after which nobody waits for a network that hangs."""
_SELDOM: Final = 300.0
"""Seconds after which there is a pause even if few frames were sent, to detect an output that never recovers."""
_BACK: Final = 80.0
"""Seconds within which the picture is back when all is well again; one that hangs is replaced within a minute."""
_CALM: Final = "[effect]\nblur = 0.06\n[smoothing]\ntime_constant = 0.4\n"
_FILES: Final = (
    _CALM,
    "",
    '[effect]\nblur = 0.1\nlens = "disc"\n',
    '[effect]\nmode = "greenscreen"\n[camera]\nmirror = true\n',
    '[effect]\nmode = "none"\n',
    "[effect\n",
    "\x00",
    "[efect]\nblur = 0.1\n",
    '[output]\nsize = "640x480"\n[governor]\nenabled = false\n',
    "[effect]\nblur = 7\n",
)


class ChaosDriver:
    """Sends commands to the control socket ``control`` and breaks parts of the stage; ``files`` are the model files by
    their kind, ``config`` the configuration file; ``turns`` are the rotations that are asked for."""

    def __init__(
        self,
        live: Session,
        time: VirtualTime,
        chance: random.Random,
        stage: tuple[CameraFaults, NetworkFaults, OutputMonitor, SoakUsage, UnreliableOutput],
        control: Path,
        preview: Path,
        config: Path,
        files: dict[str, Path],
        turns: tuple[object, ...],
        violations: Violations,
    ) -> None:
        self._live, self._time, self._chance, self._violations = live, time, chance, violations
        self._camera, self._network, self._monitor, self._usage, self._second = stage
        self._control, self._config, self._files, self._turns = control, config, files, turns
        self._lookers = PreviewClients(preview, violations)
        self.recordings = SoakRecordings(control.parent, violations)
        self._effect, self._paused, self._locked = True, False, False
        self.acts: Counter[str] = Counter()
        self._deeds: list[tuple[int, Callable[[], object]]] = [
            (30, self._command),
            (8, self._set),
            (6, self._background),
            (4, self._garbage),
            (3, self._status),
            (8, self._watchers),
            (6, self._previews),
            (6, self._record),
            (3, self._lock),
            (6, self._rewrite),
            (8, self._break_camera),
            (10, self._break_network),
            (3, self._break_output),
        ]

    def play(self, frames: int, rest_every: int, at_rest: Callable[[], None]) -> None:
        """Until ``frames`` have left, with a rest each ``rest_every`` of them and at the end, at which ``at_rest`` is called.

        It ends early where the picture does not come back in a rest.
        """
        self._rewrite(_CALM)
        rest, latest = rest_every, _SELDOM
        self._usage.stream(True)
        weights, deeds = zip(*self._deeds, strict=True)
        while self._live.output.sent < frames and not self._live.snapshot().stopping:
            self._time.sleep(self._chance.expovariate(1 / _MEAN_PAUSE))
            (deed,) = self._chance.choices(deeds, weights)
            self.acts[deed.__name__.strip("_")] += 1
            deed()
            self._check_replaced()
            if self._live.output.sent >= rest or self._time.monotonic() >= latest:
                if not self.rest(at_rest):
                    return
                rest, latest = self._live.output.sent + rest_every, self._time.monotonic() + _SELDOM
        self.rest(at_rest)

    def rest(self, at_rest: Callable[[], None]) -> bool:
        """Repair everything; return whether the picture returns."""
        self._camera.error, self._camera.stall, self._camera.busy = None, 0.0, 0
        self._network.looks = 0
        self._monitor.repair()
        self._usage.stream(True)
        self._tell_lock(False)
        self._rewrite(_CALM)
        self._lookers.close()
        self.recordings.finish(self._say)
        for command, arguments in (("reload", None), ("set", {"settings": self._usual()}), ("resume", None), ("on", None)):
            self._say(command, arguments)
        end = self._time.monotonic() + _BACK
        while (reported := self._status()) != "live":
            if self._time.monotonic() > end:
                self._violations.note(
                    f"all is well, and it is still {reported} at {self._time.monotonic():.1f} s: {reason(self._live)}"
                )
                return False
            self._time.sleep(0.25)
        before = self._live.output.sent
        self._time.sleep(2.0)
        if self._live.output.sent - before < 40:
            self._violations.note(f"only {self._live.output.sent - before} frames left in 2 s of rest")
        self._network.release()  # a thread that was left behind would count
        self._time.sleep(1.0)
        at_rest()
        return True

    def _check_replaced(self) -> None:
        busy = self._live.snapshot().busy_seconds
        if busy > _LEFT_BEHIND:
            self._violations.note(
                f"a network that has hung for {busy:.1f} s is still waited for at {self._time.monotonic():.1f} s"
            )

    def _usual(self) -> dict[str, Any]:
        return {
            "effect.mode": "portrait",
            "effect.blur": 0.06,
            "model.name": str(self._files["network"]),
            "camera.device": "auto",
            "camera.mirror": False,
            "camera.rotate": 0,
            "governor.enabled": True,
        }

    def _command(self) -> None:
        plain = ("on", "on", "off", "toggle", "pause", "resume", "resume", "reload", "pause_or_resume", "next_preset")
        name = self._chance.choice((*plain, "mode", "use_preset"))
        modes = ("portrait", "portrait", "greenscreen", "matte", "background", "none", "cutout", "zebra")
        arguments = {
            "mode": {"mode": self._chance.choice(modes)},
            "use_preset": {"name": self._chance.choice(("office", "dark room", "presentation", "none", "../presets"))},
        }
        self._say(name, arguments.get(name))

    def _set(self) -> None:
        output: tuple[tuple[str, tuple[object, ...]], ...] = (
            ("effect.blur", (0.05, "0.2", 1, "wide", None)),
            ("effect.lens", ("disc", "gaussian", "fish")),
            ("effect.light", (0, 0.5, "1", 2)),
            ("effect.light_auto", (True, "false", "always")),
            ("effect.dim", (0, 0.5, "1.0", -1)),
            ("effect.desaturate", (0, 0.5, "1.0", 3)),
            ("effect.edge", (-1, "-0.4", 0, 0.4, 1, 1.5)),
            ("effect.screen", ("#0000ff", "#00ff00", "green")),
            ("effect.framing", (1, 1.5, "2", 9)),
            ("smoothing.time_constant", (0, 0.4, "1.5", -1)),
            ("smoothing.delay_frames", (0, 1, 2, "3", 4)),
            ("camera.mirror", (True, "false", "perhaps")),
            ("camera.rotate", self._turns),
            ("camera.device", ("auto", "C920", "gone.mp4", str(self._files["clip"]))),
            ("governor.enabled", (True, False)),
            ("governor.on_battery", ("same", "save")),
            ("governor.reuse_masks", (True, False)),
            ("model.name", (str(self._files["network"]), str(self._files["other"]), str(self._files["broken"]), "nowhere.onnx")),
            ("output.size", ("640x480",)),
            ("nothing.at_all", (1,)),
        )
        chosen = self._chance.sample(output, self._chance.choice((1, 1, 1, 2)))
        self._say("set", {"settings": {key: self._chance.choice(values) for key, values in chosen}})

    def _background(self) -> None:
        names = ("#204060", "dawn", "lights", str(self._files["picture"]), "gone.png", "#nocolour", str(self._files["broken"]))
        self._say("background", {"background": self._chance.choice(names)})

    def _garbage(self) -> None:
        junk = self._chance.randbytes(self._chance.choice((1, 30, 300, 70_000))).replace(b"\n", b"")
        json_of = json.dumps({"version": self._chance.choice((1, 2, None)), "command": self._chance.choice(("zebra", 5, [1]))})
        with LineClient(self._control) as caller:
            caller.send(self._chance.choice((junk, json_of.encode(), b"{" * 5000)) + b"\n")
            if self._chance.random() < 0.7:
                self._checked(caller.readline())

    def _status(self) -> str:
        reported = self._say("status")
        return str(reported.get("result", {}).get("state"))

    def _watchers(self) -> None:
        self._usage.stream(self._chance.random() < 0.65, lost=self._chance.random() < 0.1)

    def _previews(self) -> None:
        if self._chance.random() < 0.5:
            self._lookers.open(self._chance)
        else:
            self._lookers.close_one()

    def _record(self) -> None:
        self.recordings.act(self._chance, self._say)

    def _lock(self) -> None:
        self._tell_lock(not self._locked)

    def _rewrite(self, text: str | None = None) -> None:
        self._config.write_text(self._chance.choice(_FILES) if text is None else text)

    def _break_camera(self) -> None:
        match self._chance.choice(("error", "error", "stall", "busy")):
            case "error":
                self._camera.error = SourceError("the camera has gone: plug it in again")
                self._camera.busy = self._chance.choice((0, 0, 1, 3))
            case "stall":
                self._camera.stall = self._chance.choice((0.2, 0.6, 2.5, 8.0))
            case "busy":
                self._camera.busy = self._chance.choice((1, 2, 4))

    def _break_network(self) -> None:
        kinds = ("fails", "defect", "memory", "no numbers", "other size", "slow", "slow", "slow", "hangs")
        kind = self._chance.choice(kinds[:-1] if self._network.hanging else kinds)
        seconds, looks = 0.0, self._chance.choice((1, 3, 20))
        if kind == "slow":
            seconds, looks = self._chance.choice((0.025, 0.045, 0.08, 0.3)), self._chance.choice((5, 60, 150))
        elif kind == "hangs":
            seconds, looks = self._chance.choice((1.0, 3.0, 6.0, 12.0, 90.0, 90.0)), 1
        self._network.kind, self._network.looks, self._network.seconds = kind, looks, seconds
        self.acts[f"network {kind}"] += 1

    def _break_output(self) -> None:
        self._monitor.broken = "the node has gone: plug it in"
        self._time.sleep(self._chance.choice((0.1, 0.7, 3.0)))
        self._monitor.repair()

    def _tell_lock(self, locked: bool) -> None:
        if not locked and not self._effect and not self._paused:
            self._monitor.room_allowed = True
        self._live.lock(locked)
        self._locked = locked
        if locked:
            self._monitor.room_allowed = False

    def _say(self, command: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send one command. From then on the room may be visible if the command may show it; then the answer decides."""
        if command in ("off", "toggle") or (command == "resume" and not self._effect):
            self._monitor.room_allowed = True
        output = {"version": VERSION, "command": command} | ({} if arguments is None else {"arguments": arguments})
        with self._second.responsive() as responds, ExitStack() as stack:
            if self._chance.random() < 0.3 or not responds:
                stack.enter_context(self._time.beside())
            answer = self._asked(json.dumps(output).encode())
        result = answer.get("result")
        if isinstance(result, dict) and "paused" in result:
            self._effect, paused = result["effect"], result["paused"]
            either = not (self._paused or self._locked)
            self._paused = {"pause": True, "resume": False, "pause_or_resume": either}.get(command, self._paused)
            self._locked = self._locked and command not in ("resume", "pause_or_resume")
            if paused != (self._paused or self._locked):
                self._violations.note(f"{command} answers paused: {paused}")
            self._monitor.room_allowed = not self._effect and not paused
        return answer

    def _asked(self, line: bytes) -> dict[str, Any]:
        with LineClient(self._control) as caller:
            caller.send(line + b"\n")
            return self._checked(caller.readline())

    def _checked(self, line: bytes) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(line) if line.endswith(b"\n") else {}
        if answer.get("version") != VERSION or not (answer.get("ok") is True or answer.get("exit_code") in (2, 3, 4, 5)):
            self._violations.note(f"an answer that is none: {line[:300]!r}")
        return answer
