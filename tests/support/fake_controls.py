"""The controls of a simulated camera."""

import ctypes
import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass, field

from livebg.v4l2 import abi

USER, CAMERA = abi.CID_USER, abi.CID_CAMERA


@dataclass
class FakeControl:
    """A control. ``off`` is the control and the value that make it active; ``failures`` gives the errno of a request."""

    id: int
    name: str
    value: int = 0
    minimum: int = 0
    maximum: int = 255
    step: int = 1
    default: int = 0
    type: int = abi.CTRL_TYPE_INTEGER
    flags: int = 0
    menu: dict[int, str | int] = field(default_factory=dict)
    off: tuple[int, int] | None = None
    failures: dict[int, int] = field(default_factory=dict)


def webcam_controls() -> list[FakeControl]:
    """Those of a UVC camera, with a button, a class and a control of another class that are no settings."""
    frequencies: dict[int, str | int] = {0: "Disabled", 1: "50 Hz", 2: "60 Hz"}
    exposures: dict[int, str | int] = {1: "Manual Mode", 3: "Aperture Priority Mode"}
    return [
        FakeControl(abi.CTRL_CLASS_USER | 1, "User Controls", type=6, flags=abi.CTRL_FLAG_READ_ONLY | abi.CTRL_FLAG_WRITE_ONLY),
        FakeControl(USER, "Brightness", 128, default=128),
        FakeControl(USER + 12, "White Balance, Automatic", 1, maximum=1, default=1, type=abi.CTRL_TYPE_BOOLEAN),
        FakeControl(USER + 13, "White Balance, Do", type=4, flags=abi.CTRL_FLAG_WRITE_ONLY),
        FakeControl(USER + 19, "Gain", 64, step=3),
        FakeControl(USER + 24, "Power Line Frequency", 2, maximum=2, default=2, type=3, menu=frequencies),
        FakeControl(USER + 26, "White Balance Temperature", 4000, 2000, 6500, default=4000, off=(USER + 12, 0)),
        FakeControl(CAMERA + 1, "Auto Exposure", 3, maximum=3, default=3, type=3, menu=exposures),
        FakeControl(CAMERA + 2, "Exposure Time, Absolute", 250, 3, 2047, default=250, off=(CAMERA + 1, 1)),
        FakeControl(CAMERA + 8, "Pan, Absolute", -3600, -36000, 36000, 3600),
        FakeControl(CAMERA + 16, "Privacy", 1, maximum=1, type=abi.CTRL_TYPE_BOOLEAN, flags=abi.CTRL_FLAG_READ_ONLY),
        FakeControl(CAMERA + 20, "White Balance, Preset", 1, maximum=9, type=9, menu={0: -500, 1: 500}),
        FakeControl(0x009E0903, "Analogue Gain", 5),
    ]


class FakeControls:
    """Answers the ioctls of controls, as the kernel's control framework does. ``log`` holds what was set, in order."""

    def __init__(self, controls: Iterable[FakeControl] = ()) -> None:
        self.by_id = {control.id: control for control in sorted(controls, key=lambda control: control.id)}
        self.log: list[tuple[str, int]] = []

    def __getitem__(self, name: str) -> FakeControl:
        return next(control for control in self.by_id.values() if control.name == name)

    def answer(self, argument: ctypes.Structure, request: int) -> None:
        match argument:
            case abi.QueryControl():
                self._describe(argument)
            case abi.MenuItem():
                self._describe_choice(argument)
            case abi.ControlValues():
                assert (argument.which, argument.count) == (0, 1)
                self._exchange(argument.controls[0], request)

    def _describe(self, query: abi.QueryControl) -> None:
        assert query.id & abi.CTRL_FLAG_NEXT_CTRL
        after = query.id & ~abi.CTRL_FLAG_NEXT_CTRL
        control = next((control for number, control in self.by_id.items() if number > after), None)
        if control is None:
            raise OSError(errno.EINVAL, "the list has ended")
        query.id, query.type, query.name = control.id, control.type, control.name.encode()
        query.minimum, query.maximum, query.step = control.minimum, control.maximum, control.step
        query.default_value, query.flags = control.default, control.flags
        if self._is_replaced(control):
            query.flags |= abi.CTRL_FLAG_INACTIVE

    def _is_replaced(self, control: FakeControl) -> bool:
        return control.off is not None and self.by_id[control.off[0]].value != control.off[1]

    def _describe_choice(self, item: abi.MenuItem) -> None:
        choice = self.by_id[item.id].menu.get(item.index)
        if choice is None:
            raise OSError(errno.EINVAL, "no such choice")
        if isinstance(choice, int):
            item.value = choice
        else:
            item.name = choice.encode()

    def _exchange(self, entry: abi.ControlValue, request: int) -> None:
        control = self.by_id[entry.id]
        if request in control.failures:
            raise OSError(control.failures[request], os.strerror(control.failures[request]))
        wide = control.type == abi.CTRL_TYPE_INTEGER64
        if request == abi.S_EXT_CTRLS:
            given = entry.value64 if wide else entry.value
            assert control.minimum <= given <= control.maximum
            control.value = control.minimum + (given - control.minimum) // control.step * control.step
            self.log.append((control.name, control.value))
        if wide:
            entry.value64 = control.value
        else:
            entry.value = control.value
