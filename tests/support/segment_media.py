"""Clips for tests that decode a file in parts: eight seconds of moving pictures with key frames 0.8 s apart."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from av.packet import Packet
from av.video.stream import VideoStream

from tests.support.media import Clip, stamped, yuv_picture

COUNT: Final = 200
B_FRAMES: Final = {"g": "20", "bf": "3", "sc_threshold": "0", "preset": "veryfast"}
OPEN_GOP: Final = B_FRAMES | {"x264-params": "open-gop=1"}
INTERLACED: Final = B_FRAMES | {"flags": "+ildct+ilme", "x264-params": "tff=1"}
_X265: Final = {"preset": "ultrafast", "x265-params": "log-level=none:keyint=20:bframes=3:open-gop=1"}
_VPX: Final = {"deadline": "realtime", "cpu-used": "8", "g": "30"}
_HIDDEN_FRAMES: Final = {"deadline": "good", "cpu-used": "5", "g": "30", "auto-alt-ref": "1", "lag-in-frames": "16"}


def moving(number: int, width: int, height: int) -> av.VideoFrame:
    """A stamp over a texture that moves, with edges in chroma, so that pictures depend on those before them."""
    noise = np.random.default_rng(7).integers(30, 220, (height, 4 * width)).astype(np.float32)
    shift = number * 3 % (3 * width)
    texture = cv2.GaussianBlur(noise, (0, 0), 2)[:, shift : shift + width]
    luma = np.clip(0.6 * ((texture - 125) * 4 + 125) + 0.4 * stamped(number, width, height), 16, 235)
    chroma = np.full((height // 2, width // 2), 128, np.uint8)
    chroma[:, 2 * number % (width // 2) :] = 150
    return yuv_picture([luma.astype(np.uint8), chroma, chroma], "yuv420p")


def combed(number: int, width: int, height: int) -> av.VideoFrame:
    """Two fields of :func:`moving` from different times, the upper one first."""
    rows = moving(2 * number, width, height).to_ndarray()
    rows[1:height:2] = moving(2 * number + 1, width, height).to_ndarray()[1:height:2]
    return av.VideoFrame.from_ndarray(rows, "yuv420p")


def clip(options: Mapping[str, str] = B_FRAMES, **properties: object) -> Clip:
    """A clip of 64x48 moving pictures."""
    return replace(Clip(COUNT, picture=moving, options=options), **properties)  # type: ignore[arg-type]


def jittered(regular: Clip) -> Clip:
    """The clip with the times of a phone: irregular, in milliseconds, with two gaps of several seconds."""
    steps = np.random.default_rng(3).integers(5, 75, COUNT)
    steps[0], steps[90], steps[150] = 0, 3100, 2700
    return replace(regular, pts=np.cumsum(steps).tolist(), time_base=Fraction(1, 1000))


def remuxed(source: Path, target: Path, shift: int = 0, skip: int = 0) -> Path:
    """Copy the packets except the first ``skip``, ``shift`` ticks earlier: what is before 0 is cut by an edit list in MP4."""
    with av.open(str(source)) as original, av.open(str(target), "w") as output:
        stream = original.streams.video[0]
        copied = output.add_stream_from_template(stream)
        for packet in [packet for packet in original.demux(stream) if packet.size][skip:]:
            _mux(output, copied, packet, -shift)
    return target


def joined(parts: list[Clip], target: Path) -> Path:
    """One recording in MPEG-TS whose format changes: the clips one after the other on one clock."""
    with av.open(str(target), "w") as output:
        copied: VideoStream | None = None
        ticks = 0
        for number, part in enumerate(parts):
            path = part.write(target.with_name(f"part{number}.ts"))
            with av.open(str(path)) as original:
                stream = original.streams.video[0]
                copied = copied or output.add_stream_from_template(stream)
                begin = (stream.start_time or 0) - 7200
                for packet in original.demux(stream):
                    if packet.size:
                        _mux(output, copied, packet, ticks - begin)
            ticks += part.count * 3600
    return target


def _mux(output: av.container.OutputContainer, stream: VideoStream, packet: "Packet[VideoStream]", shift: int) -> None:
    assert packet.pts is not None
    assert packet.dts is not None
    packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
    output.mux(packet)


def mixed_scan(target: Path) -> Path:
    """Progressive and interlaced pictures by turns, and a size change."""
    short = clip(count=40)
    fields = clip(INTERLACED, count=40, picture=combed)
    parts = [short, fields, short, fields, replace(fields, width=80, height=64)]
    return joined(parts, target)


EXACT: Final[Mapping[str, Callable[[Path], Path]]] = {
    "b_frames.mp4": clip(audio="aac").write,
    "edit_list.mp4": lambda path: remuxed(clip().write(path.with_name("whole.mp4")), path, shift=27 * 512),
    "fragments.mp4": clip(container_options={"movflags": "frag_keyframe+empty_moov"}).write,
    "leading.mp4": lambda path: remuxed(clip(B_FRAMES | {"g": "50"}).write(path.with_name("whole.mp4")), path, skip=7),
    "one_key_frame.mp4": clip(B_FRAMES | {"g": "1000"}).write,
    "jittered.mkv": jittered(clip()).write,
    "open_gop.mkv": clip(OPEN_GOP).write,
    "open_gop.mp4": clip(OPEN_GOP).write,
    "slow_open_gop.mp4": clip(OPEN_GOP | {"g": "8"}, count=40, rate=Fraction(1)).write,
    "intra_refresh.mp4": clip(B_FRAMES | {"x264-params": "intra-refresh=1"}).write,
    "h264.ts": clip(OPEN_GOP, audio="aac").write,
    "hevc.mkv": clip(_X265, codec="libx265").write,
    "vp9.webm": clip(_VPX, codec="libvpx-vp9").write,
    "hidden.webm": clip(_HIDDEN_FRAMES, codec="libvpx").write,
    "mpeg2.ts": clip({"g": "15", "bf": "2"}, codec="mpeg2video").write,
    "mpeg4.mkv": clip({"g": "20", "bf": "2"}, codec="mpeg4").write,
    "rotated.mov": clip(display=(90, False, False)).write,
    "full_range.mp4": clip(color=(1, 1, 1, 2)).write,
    "ten_bit.mkv": clip(pix_fmt="yuv420p10le").write,
    "pq.mp4": clip(_X265, codec="libx265", pix_fmt="yuv420p10le", color=(9, 9, 16, 1), count=150).write,
    "interlaced.mp4": clip(INTERLACED, picture=combed).write,
    "interlaced_jittered.mkv": jittered(clip(INTERLACED, picture=combed)).write,
    "mixed_scan.ts": mixed_scan,
    "sizes.ts": lambda path: joined([clip(count=60), clip(count=60, width=80, height=64), clip(count=60, width=48)], path),
}
"""Makers of files that can be decoded in parts, by file name."""

INEXACT: Final[Mapping[str, Callable[[Path], Path]]] = {
    "b_frames.avi": clip().write,
    "raw.h264": clip().write,
    "loop.gif": clip({}, codec="gif", pix_fmt="rgb8", rate=Fraction(10), count=60).write,
    "restarted.ts": lambda path: _concatenated([clip(count=60)] * 3, path),
}
"""Makers of files that cannot: times are missing or restart, or pictures depend on all before them."""


def _concatenated(parts: list[Clip], target: Path) -> Path:
    files = [part.write(target.with_name(f"part{number}.ts")) for number, part in enumerate(parts)]
    target.write_bytes(b"".join(file.read_bytes() for file in files))
    return target
