"""Files as livebg's own sink writes them."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from livebg.imaging.frame import _SEAL, ColorSpec, Composite, VideoFormat
from livebg.sinks.codecs import Encoding
from livebg.sinks.file import FileSink
from livebg.sinks.stream_selection import CopyOptions
from tests.support.sink_contract import HEIGHT, TIME_BASE, WIDTH, composite

FORMAT = VideoFormat(WIDTH, HEIGHT, Fraction(25))
FAST = Encoding(preset="ultrafast")
ENDINGS = [".mp4", ".m4v", ".mov", ".mkv", ".webm"]


def write(path: Path, pts: Sequence[int], time_base: Fraction = TIME_BASE, encoding: Encoding = FAST) -> None:
    """Write plain composites at the given times."""
    with FileSink(path, FORMAT, time_base, encoding=encoding) as sink:
        for each in pts:
            sink.send(composite(each, time_base=time_base))


def noise(seed: int, size: tuple[int, int] = (WIDTH, HEIGHT), color: ColorSpec = ColorSpec(), pts: int = 0) -> Composite:  # noqa: B008
    """A composite of random bytes, which no lossy codec and no stray conversion leaves as they are."""
    data = np.random.default_rng(seed).integers(16, 236, (size[1] * 3 // 2, size[0]), dtype=np.uint8)
    return Composite(data, pts, TIME_BASE, color, None, _SEAL)


def render(
    source: Path,
    out: Path,
    *,
    pts: Sequence[int] = range(0, 2000, 100),
    start: float | None = None,
    end: float | None = None,
    drop_streams: bool = False,
    keep_streams: bool = False,
) -> FileSink:
    """Write plain composites to ``out``, with the streams of ``source``."""
    format_ = replace(FORMAT, frame_rate=Fraction(10))
    options = CopyOptions(start, end, drop_streams, keep_streams)
    with FileSink(out, format_, TIME_BASE, encoding=FAST, copy_from=source, copy_options=options) as sink:
        for each in pts:
            sink.send(composite(each))
    return sink
