"""A libav filter graph with one input and one output."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
from av.filter import Graph

from livebg.sources.pixel_layout import PictureFormat
from livebg.sources.tonemap import cube

Step = tuple[str, Mapping[str, str]]
"""A filter's name and its options."""

_SINK: Final[Step] = ("buffersink", {})

_TABLE_PLACEHOLDER = "{table}"
"""Placeholder for the path of the tone-mapping table, which exists only while a graph is built."""


def tone_map_steps(kind: PictureFormat) -> list[Step]:
    """Return the filters that convert BT.2020 HLG or PQ to BT.709 R'G'B'."""
    color_options = {"in_color_matrix": "bt2020nc", "in_range": "pc" if kind.full_range else "tv"}
    return [
        ("scale", color_options | {"flags": "bicubic+accurate_rnd+full_chroma_inp"}),
        ("format", {"pix_fmts": "gbrp10le"}),
        ("lut3d", {"file": _TABLE_PLACEHOLDER, "interp": "tetrahedral"}),
        ("setparams", {"color_primaries": "bt709", "color_trc": "bt709"}),
    ]


class FilterGraph:
    """Filters pictures of one kind in order. ``steps`` run one after the other.

    Raises :class:`av.error.FFmpegError` if a filter fails.
    """

    def __init__(self, kind: PictureFormat, time_base: Fraction, steps: Sequence[Step], threads: int) -> None:
        self._graph = Graph()
        self._graph.threads = threads
        source_options = {
            "video_size": f"{kind.width}x{kind.height}",
            "pix_fmt": kind.pix_fmt,
            "time_base": f"{time_base.numerator}/{time_base.denominator}",
            "colorspace": str(kind.matrix),
            "range": "pc" if kind.full_range or kind.rgb else "tv",
        }
        with tempfile.TemporaryDirectory(prefix="livebg-") as folder:
            table = Path(folder) / "tonemap.cube"
            if kind.hdr:
                table.write_text(cube(kind.transfer))
            last = self._graph.add("buffer", **source_options)
            for name, options in (*steps, _SINK):
                resolved = {key: str(table) if text == _TABLE_PLACEHOLDER else text for key, text in options.items()}
                added = self._graph.add(name, **resolved)
                last.link_to(added)
                last = added
            self._graph.configure()

    def push(self, picture: av.VideoFrame) -> Iterator[av.VideoFrame]:
        """Push a picture and yield the pictures that are ready."""
        self._graph.vpush(picture)
        return self._ready()

    def flush(self) -> Iterator[av.VideoFrame]:
        """End the stream and yield the delayed pictures."""
        self._graph.vpush(None)
        return self._ready()

    def _ready(self) -> Iterator[av.VideoFrame]:
        while True:
            try:
                yield self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
