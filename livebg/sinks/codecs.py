"""Chooses encoders and their options. This is the only module that knows encoders by name."""

import io
import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Final

import av
from av.codec.codec import UnknownCodecError

from livebg.errors import ConfigError

CONTAINERS: Final[Mapping[str, str]] = MappingProxyType(
    {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
)
"""libav's muxer for each video file extension."""

PRESETS: Final = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo")
"""x264's preset names, fastest first; other encoders use their nearest step."""

DEFAULT_CODEC: Final = "libx264"
_VP9_CPU_USED: Final = (5, 5, 5, 5, 4, 3, 2, 1, 0, 0)
_SVTAV1_PRESET: Final = (12, 11, 10, 9, 8, 7, 5, 4, 3, 1)
_MAX_CRF: Final = MappingProxyType({"libx264": 51, "libx265": 51})
_OTHER_MAX_CRF: Final = 63
_FIXED_QUANTIZER: Final = 3
_GOP_S: Final = MappingProxyType({"libx264": 15, "libx265": 15})
"""Longer than a segment, which begins with a key frame: a second one would only cost bits."""
_X264_CANONICAL: Final = "cpu-independent=1"
"""x264's code for AVX-512 (mbtree in core 165) reads memory that was never written, unless the width is a multiple of 128 pixels:
the same pictures become other bytes in a process that has worked before. Its portable code costs 1 to 5 % of its CPU time."""
_X265_ONE_THREAD: Final = "pools=none:frame-threads=1:wpp=0:lookahead-slices=0:open-gop=0"


class Content(StrEnum):
    """What the composites show, which determines what the encoder must preserve."""

    PICTURE = "picture"
    MATTE = "matte"
    CUTOUT = "cutout"
    STORED_MATTE = "stored matte"
    """Alpha in one plane, lossless, to be read again."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How to encode a video.

    ``codec`` is a libav encoder for 8-bit 4:2:0; for the default, a WebM file, which cannot hold H.264, uses VP9. ``crf`` is the
    encoder's quality scale (0 is best; 0..51 for x264 and x265, 0..63 for VP9 and AV1). ``preset`` is one of :data:`PRESETS`. The
    codec of a matte or cutout depends on the file extension, and a matte has no ``crf``.
    """

    codec: str = DEFAULT_CODEC
    crf: float = 19.0
    preset: str = "medium"
    content: Content = Content.PICTURE


@dataclass(frozen=True, slots=True)
class EncoderPlan:
    """A chosen encoder: libav's names, pixel format and options, for one thread and closed groups of pictures (GOPs).

    Key frames are at most ``gop_seconds`` apart; None = the encoder's default.
    """

    container: str
    codec: str
    pix_fmt: str = "yuv420p"
    options: Mapping[str, str] = field(default_factory=dict)
    tag: str | None = None
    quantizer: int | None = None
    gop_seconds: int | None = None
    note: str | None = None


def container_of(path: Path) -> str:
    """Return libav's name of the container for the extension of ``path``. Raises ConfigError for an unsupported one."""
    try:
        return CONTAINERS[path.suffix.lower()]
    except KeyError:
        extensions = " ".join(CONTAINERS)
        found = f"the extension {path.suffix}" if path.suffix else "no extension"
        raise ConfigError(
            f"The output {path} has {found}, but a video needs one of {extensions}.", "Rename the output."
        ) from None


def plan_encoder(encoding: Encoding, path: Path) -> EncoderPlan:
    """Choose the encoder and its options for a video at ``path``. Raises ConfigError if the settings are incompatible."""
    container = container_of(path)
    if encoding.preset not in PRESETS:
        raise ConfigError(f"Unknown preset {encoding.preset!r}.", f"Choose one of {', '.join(PRESETS)}.")
    if encoding.content is Content.MATTE:
        plan = _plan_matte(encoding, container)
    elif encoding.content is Content.CUTOUT:
        plan = _plan_cutout(encoding, container, path)
    elif encoding.content is Content.STORED_MATTE:
        plan = replace(_plan_matte(encoding, "matroska"), container=container, pix_fmt="gray")
    else:
        plan = _plan_picture(encoding, container)
    silence(plan.codec)
    _check_encoder(plan, encoding, path)
    return plan


def silence(codec: str) -> None:
    """Keep the library of the encoder ``codec`` from logging to stderr, in this process."""
    if codec == "libsvtav1":
        os.environ.setdefault("SVT_LOG", "1")  # errors only


def _plan_picture(encoding: Encoding, container: str) -> EncoderPlan:
    if encoding.codec == DEFAULT_CODEC and container == "webm":
        note = "encoded as VP9, because WebM cannot hold H.264"
        return replace(_plan_picture(replace(encoding, codec="libvpx-vp9"), container), note=note)
    codec = _encoder_name(encoding.codec)
    options = _options(codec, encoding)
    tag = "hvc1" if codec == "libx265" and container in ("mp4", "mov") else None  # Apple's players need hvc1, not hev1
    # Encoders without a quality scale would use a bit rate for tiny pictures.
    quantizer = None if options else _FIXED_QUANTIZER
    return EncoderPlan(container, codec, options=options, tag=tag, quantizer=quantizer, gop_seconds=_GOP_S.get(codec))


def _plan_matte(encoding: Encoding, container: str) -> EncoderPlan:
    codec = {"matroska": "ffv1", "webm": "libvpx-vp9"}.get(container, "libx264")
    _check_codec(encoding, codec, "A matte is lossless")
    options = _options(codec, encoding)
    options.pop("crf", None)
    lossless = {"libx264": {"qp": "0"}, "libvpx-vp9": {"lossless": "1"}}.get(codec, {})
    return EncoderPlan(container, codec, options=options | lossless, gop_seconds=_GOP_S.get(codec))


def _plan_cutout(encoding: Encoding, container: str, path: Path) -> EncoderPlan:
    if container == "webm":
        _check_codec(encoding, "libvpx-vp9", "A WebM cutout is VP9 with alpha")
        # libvpx does not support hidden frames in the alpha channel.
        options = _options("libvpx-vp9", encoding) | {"auto-alt-ref": "0"}
        return EncoderPlan(container, "libvpx-vp9", "yuva420p", options)
    if container == "mov":
        _check_codec(encoding, "prores_ks", "A MOV cutout is ProRes 4444")
        options = {"profile": "4444", "alpha_bits": "16", "vendor": "apl0"}
        return EncoderPlan(container, "prores_ks", "yuva444p10le", options)
    raise ConfigError(
        f"A {path.suffix} file cannot hold a cutout's transparency.", "Name the output .webm (VP9) or .mov (ProRes 4444)."
    )


def _check_codec(encoding: Encoding, codec: str, reason: str) -> None:
    if encoding.codec not in (DEFAULT_CODEC, codec):
        raise ConfigError(f"{reason}, written with {codec} and not with {encoding.codec}.", "Do not set a codec.")


def _encoder_name(name: str) -> str:
    """Return libav's name of the video encoder ``name`` ("h264" is "libx264"). Raises ConfigError if it is unsuitable."""
    try:
        codec = av.Codec(name, "w")
    except UnknownCodecError:
        raise ConfigError(f"This libav has no encoder {name!r}.", "Choose for example libx264, libx265 or libsvtav1.") from None
    formats = codec.video_formats
    if codec.type != "video" or (formats is not None and "yuv420p" not in [each.name for each in formats]):
        raise ConfigError(
            f"The codec {name!r} does not encode 8-bit 4:2:0 video.", "Choose for example libx264, libx265 or libsvtav1."
        )
    return codec.name


def _options(codec: str, encoding: Encoding) -> dict[str, str]:
    """Return the encoder's options for quality and speed, and for one thread if libav's common ``threads`` has no effect."""
    max_crf = _MAX_CRF.get(codec, _OTHER_MAX_CRF)
    if not 0 <= encoding.crf <= max_crf:
        raise ConfigError(
            f"CRF {encoding.crf:g} is outside the range 0 to {max_crf} of the codec {codec}.", "Choose a value in it; 0 is best."
        )
    crf, whole_crf, step = f"{encoding.crf:g}", f"{encoding.crf:.0f}", PRESETS.index(encoding.preset)
    options = {
        "libx264": {"crf": crf, "preset": encoding.preset, "x264-params": _X264_CANONICAL},
        "libx265": {"crf": crf, "preset": encoding.preset, "x265-params": f"log-level=none:{_X265_ONE_THREAD}"},
        "libsvtav1": {"crf": whole_crf, "preset": str(_SVTAV1_PRESET[step]), "svtav1-params": "lp=1"},
        "libvpx-vp9": {"crf": whole_crf, "deadline": "good", "cpu-used": str(_VP9_CPU_USED[step])},
        "ffv1": {"level": "3", "slicecrc": "1", "g": "1", "slices": "4"},
    }
    return options.get(codec, {})


def _check_encoder(plan: EncoderPlan, encoding: Encoding, path: Path) -> None:
    """Raise ConfigError unless the encoder starts and the muxer accepts it. Writes a header into memory, because the muxers list
    more codecs than they accept.
    """
    with closing(av.open(io.BytesIO(), "w", format=plan.container)) as probe:
        try:
            stream = probe.add_stream(plan.codec, rate=25, options={**plan.options, "threads": "1"})
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height, stream.pix_fmt = 64, 64, plan.pix_fmt
            stream.codec_context.open()
        except av.FFmpegError as error:
            reason = f"The codec {encoding.codec} cannot be opened ({error.strerror}). Choose another codec."
            raise ConfigError(reason) from error
        except ValueError as error:
            raise ConfigError(_container_error(encoding, path)) from error
        try:
            probe.start_encoding()
        except av.FFmpegError as error:
            raise ConfigError(_container_error(encoding, path)) from error


def _container_error(encoding: Encoding, path: Path) -> str:
    return f"A {path.suffix} file cannot hold the codec {encoding.codec}. Choose another codec or extension."
