"""Values of settings with few choices. Importing them is cheap, unlike the settings."""

from typing import Final, Literal, get_args

LiveMode = Literal["portrait", "greenscreen", "background", "matte"]
"""Modes of a virtual camera, except showing the room."""
LIVE_MODES: Final[tuple[str, ...]] = get_args(LiveMode)
Mode = Literal[LiveMode, "cutout"]
Temporal = Literal["lookahead", "causal"]
SinkBackend = Literal["v4l2loopback", "pipewire", "obs", "null"]
"""One virtual camera."""
Backend = Literal[SinkBackend, "both"]
BUILTIN_BACKGROUNDS: Final = ("dawn", "dusk", "slate", "paper", "lights", "leaves")
Preset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo"]
MAX_JOBS: Final = 64
"""The most tasks that a render runs at the same time."""
