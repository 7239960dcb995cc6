"""Which control each setting gets, from the types and ranges of the settings classes. Needs no GTK."""

import enum
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin

from livebg.config.choices import LIVE_MODES
from livebg.config.settings import sections
from livebg.window.i18n import marked, translate
from livebg.window.labels import CHOICES, TITLES

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


class Control(enum.Enum):
    """The kind of a control."""

    SLIDER = enum.auto()
    SPIN = enum.auto()
    SWITCH = enum.auto()
    CHOICE = enum.auto()
    BUTTONS = enum.auto()
    """Few choices, each of which has a button."""
    COLOR = enum.auto()
    BACKGROUND = enum.auto()
    CAMERA = enum.auto()
    """A camera of this computer, or one of its sizes or frame rates: the choices are known only at run time."""
    TEXT = enum.auto()


@dataclass(frozen=True, slots=True)
class Choice:
    """A value of a setting and its label."""

    value: Any
    label: str


@dataclass(frozen=True, slots=True)
class Row:
    """A setting with its control. Numbers have a range. ``modes`` are the effect modes it applies to."""

    key: str
    title: str
    description: str
    control: Control
    minimum: float = 0.0
    maximum: float = 1.0
    step: float = 0.01
    choices: tuple[Choice, ...] = ()
    modes: Collection[str] = LIVE_MODES

    def range_for(self, value: float) -> tuple[float, float]:
        """Return minimum and maximum of a slider that can show ``value``."""
        return min(self.minimum, value), max(self.maximum, value)


@dataclass(frozen=True, slots=True)
class Group:
    """Rows below a heading."""

    name: str
    title: str
    rows: tuple[Row, ...]


_GROUPS: Final = MappingProxyType(
    {
        "effect": marked("Effect"),
        "smoothing": marked("Smoothing"),
        "camera": marked("Camera"),
        "governor": marked("Performance"),
    }
)
"""The sections of the settings that the window shows, in this order. Networks need file names, and the rest needs a restart."""
_FILES_ONLY: Final = frozenset({"smoothing.temporal"})
_SPECIAL: Final = MappingProxyType(
    {
        "effect.mode": Control.BUTTONS,
        "effect.background": Control.BACKGROUND,
        "effect.screen": Control.COLOR,
        "camera.device": Control.CAMERA,
        "camera.size": Control.CAMERA,
        "camera.frame_rate": Control.CAMERA,
    }
)
_USEFUL_MAXIMUM: Final = MappingProxyType({"effect.blur": 0.15, "smoothing.time_constant": 2.0})
"""Maximum of sliders whose setting allows values that are rarely useful."""
_MODES: Final = MappingProxyType(
    {
        "effect.blur": ("portrait",),
        "effect.lens": ("portrait",),
        "effect.background": ("background",),
        "effect.background_fit": ("background",),
        "effect.screen": ("greenscreen",),
        "effect.light_wrap": ("portrait", "background"),
        "effect.dim": ("portrait", "background"),
        "effect.desaturate": ("portrait", "background"),
    }
)
"""The effect modes in which a setting has an effect, if not all."""
_MAX_SLIDER_STEPS: Final = 10
"""Maximum number of steps of an integer with a slider."""


def groups(settable: Collection[str]) -> tuple[Group, ...]:
    """Return the groups of the settings in ``settable``, the keys that the running livebg can change, without empty groups."""
    found = (Group(name, translate(title), _rows(name, settable)) for name, title in _GROUPS.items())
    return tuple(group for group in found if group.rows)


def format_value(row: Row, value: float) -> str:
    """Return the text of a slider's value."""
    if row.key == "effect.framing":
        return translate("Off") if value <= 1 else f"{value:.1f}×"
    if row.key == "smoothing.time_constant":
        return f"{value:.2g} s" if value else translate("Off")
    if row.control is Control.SLIDER and row.step < 1 and row.range_for(value)[1] <= 1:
        percent = value * 100
        return f"{percent:+.0f} %" if row.minimum < 0 and round(percent) else f"{percent:.3g} %"
    return f"{value:g}"


def frame_rates(rates: Sequence[float], current: float) -> tuple[float, ...]:
    """Return ``rates`` and ``current`` without duplicates, the highest first."""
    return tuple(sorted({*rates, current}, reverse=True))


def _rows(section: str, settable: Collection[str]) -> tuple[Row, ...]:
    fields = sections()[section].model_fields
    keys = {f"{section}.{name}": field for name, field in fields.items()}
    return tuple(_row(key, field) for key, field in keys.items() if key in settable and key not in _FILES_ONLY)


def _row(key: str, field: "FieldInfo") -> Row:
    title = translate(TITLES[key]) if key in TITLES else _fallback_title(key)
    description = translate(field.description or "")
    modes = _MODES.get(key, LIVE_MODES)
    minimum, maximum = _limits(field)
    kind: Any = field.annotation
    control = _SPECIAL.get(key)
    if control is None:
        control = _control(kind, minimum, maximum)
    if control in (Control.SLIDER, Control.SPIN):
        assert minimum is not None and maximum is not None, "only numbers with a range have such a control"  # noqa: PT018
        most = min(maximum, _USEFUL_MAXIMUM.get(key, maximum))
        step = 1.0 if kind is int else (most - minimum) / 100
        return Row(key, title, description, control, minimum, most, step, modes=modes)
    return Row(key, title, description, control, choices=_choices(key, kind), modes=modes)


def _control(kind: Any, minimum: float | None, maximum: float | None) -> Control:
    if kind is bool:
        return Control.SWITCH
    if get_origin(kind) is Literal:
        return Control.CHOICE
    if kind in (int, float) and minimum is not None and maximum is not None:
        return Control.SPIN if kind is int and maximum - minimum > _MAX_SLIDER_STEPS else Control.SLIDER
    return Control.TEXT


def _choices(key: str, kind: Any) -> tuple[Choice, ...]:
    values = LIVE_MODES if key == "effect.mode" else get_args(kind) if get_origin(kind) is Literal else ()
    labels = CHOICES.get(key, {})
    return tuple(Choice(value, translate(labels[value]) if value in labels else str(value).capitalize()) for value in values)


def _limits(field: "FieldInfo") -> tuple[float | None, float | None]:
    low = next((float(limit.ge) for limit in field.metadata if hasattr(limit, "ge")), None)
    high = next((float(limit.le) for limit in field.metadata if hasattr(limit, "le")), None)
    return low, high


def _fallback_title(key: str) -> str:
    return key.rpartition(".")[2].replace("_", " ").capitalize()
