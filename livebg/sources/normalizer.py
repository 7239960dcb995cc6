"""Converts decoded pictures to frames of one size, color and layout: upright 8-bit I420."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Self

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import Frame, VideoFormat, empty_i420, planes
from livebg.sources.camera_decoding import average_row_pairs
from livebg.sources.filter_graph import FilterGraph, Step, tone_map_steps
from livebg.sources.pixel_layout import Orientation, PictureFormat, plane_views

_WEBCAM_JPEG = "yuvj422p"
"""Has twice the chroma rows of I420; averaging them takes libswscale six times as long."""
_MATRIX_NAMES = {1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020nc"}
"""FFmpeg's ``scale`` names of the H.273 matrix code points."""


@dataclass(frozen=True, slots=True)
class InputFormat:
    """All that determines how a stream's pictures are converted: the ``kind`` of its first picture, that picture's display
    ``rotation`` in degrees, and the ``frames`` that come out. ``restarts`` is whether the file's clock is known to restart, so
    that a seek can end in another part of it.
    """

    kind: PictureFormat
    rotation: int
    frames: VideoFormat
    restarts: bool = False

    @classmethod
    def of(cls, first: av.VideoFrame, frame_rate: Fraction, sample_aspect_ratio: Fraction) -> Self:
        kind = PictureFormat.of(first, Orientation.of(first), first.interlaced_frame)
        width, height = (side + side % 2 for side in kind.display_size)
        aspect_ratio = 1 / sample_aspect_ratio if kind.orientation.transposed else sample_aspect_ratio
        return cls(kind, first.rotation, VideoFormat(width, height, frame_rate, kind.color, aspect_ratio))


class Normalizer:
    """Converts the pictures of one stream to the format of the first one.

    Upright yuv420p pictures are copied plane by plane, bytes unchanged. So are webcam JPEGs, except that two chroma rows are
    averaged into one. All others pass through a filter graph, built once per picture kind. ``notes`` holds clauses on what was
    done.

    A frame's bytes depend on its picture and, if that is interlaced, on the pictures before and after it. The deinterlacer runs
    from an interlaced picture to the next key frame that is not, so a decoder that starts at a key frame gets the same frames.
    """

    def __init__(self, source: InputFormat, time_base: Fraction, threads: int) -> None:
        self.format = source.frames
        self._time_base = time_base
        self._threads = threads
        self._rotation = source.rotation
        self._orientation = self._active_orientation = source.kind.orientation
        self._first = source.kind
        self._kind: PictureFormat | None = None
        self._graph: FilterGraph | None = None
        self._notes: dict[str, None] = {}
        self._note_first()

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(self._notes)

    @property
    def delays(self) -> bool:
        """Whether a frame waits for the picture after it."""
        return self._kind is not None and self._kind.interlaced

    def push(self, picture: av.VideoFrame, pts: int) -> Iterator[Frame]:
        """Push the next picture; yield the frames that are ready (the deinterlacer delays by one)."""
        if picture.rotation != self._rotation:
            self._rotation, self._orientation = picture.rotation, Orientation.of(picture)
        kind = self._kind_of(picture)
        if kind != self._kind:
            yield from self.flush()
            self._change(kind)
        picture.pts, picture.time_base = pts, self._time_base
        if self._graph is None:
            yield self._frame(picture, pts)
        else:
            yield from map(self._filtered, self._graph.push(picture))

    def flush(self) -> Iterator[Frame]:
        """Yield the delayed frames."""
        graph, self._graph, self._kind = self._graph, None, None
        if graph:
            yield from map(self._filtered, graph.flush())

    def _kind_of(self, picture: av.VideoFrame) -> PictureFormat:
        kind = PictureFormat.of(picture, self._orientation, picture.interlaced_frame)
        if self.delays and not (kind.interlaced or picture.key_frame):
            deinterlaced = replace(kind, interlaced=True)
            return deinterlaced if deinterlaced == self._kind else kind
        return kind

    def _change(self, kind: PictureFormat) -> None:
        if kind.interlaced:
            self._notes["deinterlaced"] = None
        if (kind.width, kind.height) != (self._first.width, self._first.height):
            self._notes[f"scaled from {kind.width}x{kind.height} after a size change"] = None
        steps = self._steps(kind)
        self._kind, self._active_orientation = kind, kind.orientation
        self._graph = FilterGraph(kind, self._time_base, steps, self._threads) if steps else None

    def _note_first(self) -> None:
        kind, form = self._first, self.format
        if kind.orientation != Orientation():
            self._notes[kind.orientation.describe()] = None
        if kind.hdr:
            self._notes[f"tone-mapped from {kind.hdr} to SDR BT.709"] = None
        elif kind.pix_fmt not in ("yuv420p", "yuvj420p"):
            self._notes[f"converted from {kind.pix_fmt} to 8-bit 4:2:0"] = None
        width, height = kind.display_size
        if (width, height) != (form.width, form.height):
            self._notes[f"padded from {width}x{height} to {form.width}x{form.height} (edge repeated)"] = None

    def _steps(self, kind: PictureFormat) -> list[Step]:
        steps: list[Step] = []
        if kind.bottom_up:
            steps.append(("copy", {}))  # numpy needs a positive line size
        if kind.interlaced:
            steps.append(("bwdif", {"mode": "send_frame", "parity": "auto", "deint": "interlaced"}))
        if kind.hdr:
            steps += tone_map_steps(kind)
        color, target = kind.color, self.format.color
        recolored = (color.matrix, color.full_range) != (target.matrix, target.full_range)
        if kind.display_size != self._first.display_size:
            across, down = ("h", "w") if kind.orientation.transposed else ("w", "h")
            size = {across: str(self.format.width), down: str(self.format.height)}
            inside = size | {"force_original_aspect_ratio": "decrease", "force_divisible_by": "2"}
            steps += [("scale", self._color_options(kind) | inside), ("pad", size | {"x": "-1", "y": "-1"})]
        elif kind.hdr or recolored or not _is_copyable(kind):
            steps.append(("scale", self._color_options(kind)))
        if steps:
            steps.append(("format", {"pix_fmts": "yuv420p"}))
        return steps

    def _color_options(self, kind: PictureFormat) -> dict[str, str]:
        """Return the options of the ``scale`` filter that converts layout and color."""
        target = self.format.color
        options = {"out_range": "pc" if target.full_range else "tv", "flags": "bicubic+accurate_rnd+full_chroma_int"}
        if not kind.rgb and not kind.hdr:
            options["in_range"] = "pc" if kind.full_range else "tv"
        if target.matrix in _MATRIX_NAMES and (kind.rgb or kind.hdr or kind.matrix in _MATRIX_NAMES):
            options["out_color_matrix"] = _MATRIX_NAMES[target.matrix]
            if not kind.rgb and not kind.hdr:
                options["in_color_matrix"] = _MATRIX_NAMES[kind.matrix]
        return options

    def _filtered(self, picture: av.VideoFrame) -> Frame:
        assert picture.pts is not None
        assert picture.time_base is not None
        # The deinterlacer's time base has half ticks.
        return self._frame(picture, round(picture.pts * picture.time_base / self._time_base))

    def _frame(self, picture: av.VideoFrame, pts: int) -> Frame:
        data = empty_i420(self.format.width, self.format.height)
        for rows, target in zip(plane_views(picture), planes(data), strict=True):
            if len(rows) == 2 * len(target):  # a webcam JPEG's chroma
                rows = average_row_pairs(rows)
            _write_upright(rows, target, self._active_orientation)
        return Frame(data, pts, self._time_base, self.format.color)


def _is_copyable(kind: PictureFormat) -> bool:
    """Return whether the planes can be copied, or for a webcam JPEG averaged over two chroma rows, without a filter graph."""
    upright_jpeg = kind.pix_fmt == _WEBCAM_JPEG and kind.height % 2 == 0 and not kind.orientation.transposed
    return upright_jpeg or kind.pix_fmt in ("yuv420p", "yuvj420p")


def _write_upright(plane: NDArray[np.uint8], target: NDArray[np.uint8], orientation: Orientation) -> None:
    """Write the plane upright into ``target``; repeat its last row and column if the target is larger."""
    upright = cv2.transpose(plane) if orientation.transposed else plane
    if orientation.hflip or orientation.vflip:
        both = orientation.hflip and orientation.vflip
        upright = cv2.flip(upright, -1 if both else 1 if orientation.hflip else 0)
    rows, columns = upright.shape
    target[:rows, :columns] = upright
    target[:rows, columns:] = target[:rows, columns - 1 : columns]
    target[rows:] = target[rows - 1]
