"""A libav filter graph with one way in and one way out."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
from av.filter import Graph
from av.filter.context import FilterContext

from livebg.sources.pixel_layout import PictureKind
from livebg.sources.tonemap import cube

Step = tuple[str, Mapping[str, str]]
"""A filter's name and its options."""

_TABLE = "{table}"
"""Stands for the path of the tone-mapping table, which exists only while a graph is built."""


def tone_map_steps(kind: PictureKind) -> list[Step]:
    """The filters that take BT.2020 HLG or PQ to BT.709 R'G'B'."""
    given = {"in_color_matrix": "bt2020nc", "in_range": "pc" if kind.full_range else "tv"}
    return [
        ("scale", given | {"flags": "bicubic+accurate_rnd+full_chroma_inp"}),
        ("format", {"pix_fmts": "gbrp10le"}),
        ("lut3d", {"file": _TABLE, "interp": "tetrahedral"}),
        ("setparams", {"color_primaries": "bt709", "color_trc": "bt709"}),
    ]


class FilterGraph:
    """Pictures of one kind in, filtered pictures out, in order. ``steps`` run one after the other.

    Raises :class:`av.error.FFmpegError` when a filter refuses.
    """

    def __init__(self, kind: PictureKind, time_base: Fraction, steps: Sequence[Step], threads: int) -> None:
        self._graph = Graph()
        self._graph.threads = threads
        given = {
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
            last = self._graph.add("buffer", **given)
            for name, options in steps:
                last = self._follow(last, name, {key: str(table) if text == _TABLE else text for key, text in options.items()})
            self._follow(last, "buffersink", {})
            self._graph.configure()

    def push(self, picture: av.VideoFrame) -> Iterator[av.VideoFrame]:
        """Hand in a picture and yield those that are ready."""
        self._graph.vpush(picture)
        return self._ready()

    def flush(self) -> Iterator[av.VideoFrame]:
        """End the stream and yield what was held back."""
        self._graph.vpush(None)
        return self._ready()

    def _ready(self) -> Iterator[av.VideoFrame]:
        while True:
            try:
                yield self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return

    def _follow(self, last: FilterContext, name: str, options: Mapping[str, str]) -> FilterContext:
        context = self._graph.add(name, **options)
        last.link_to(context)
        return context
