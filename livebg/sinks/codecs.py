"""Which encoder writes what into which container: the only module that knows encoders by name."""

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
"""The muxer of libav for each ending that a video may have."""

PRESETS: Final = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo")
"""x264's names, fastest first; other encoders get their own nearest step."""

DEFAULT_CODEC: Final = "libx264"
_VP9_CPU_USED: Final = (5, 5, 5, 5, 4, 3, 2, 1, 0, 0)
_SVTAV1_PRESET: Final = (12, 11, 10, 9, 8, 7, 5, 4, 3, 1)
_MAX_CRF: Final = MappingProxyType({"libx264": 51, "libx265": 51})
_OTHER_MAX_CRF: Final = 63
_FIXED_QUANTISER: Final = 3


class Content(StrEnum):
    """What the composites show, and so what must survive the encoder."""

    PICTURE = "picture"
    MATTE = "matte"
    CUTOUT = "cutout"


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a video is to be encoded.

    ``codec`` is an encoder of libav that takes 8-bit 4:2:0; a WebM file, which cannot hold H.264, gets VP9 for the default one.
    ``crf`` is the encoder's own quality scale (0 the best; 0..51 for x264 and x265, 0..63 for VP9 and AV1); ``preset`` is one
    of :data:`PRESETS`. A matte and a cut-out have a codec of their own, chosen by the file's ending, and the matte no ``crf``.
    ``threads`` is for the encoder; 0 lets it choose.
    """

    codec: str = DEFAULT_CODEC
    crf: float = 19.0
    preset: str = "medium"
    content: Content = Content.PICTURE
    threads: int = 0


@dataclass(frozen=True, slots=True)
class EncoderPlan:
    """An encoder, settled: libav's names for it, its pixel format and its options."""

    container: str
    codec: str
    pix_fmt: str = "yuv420p"
    options: Mapping[str, str] = field(default_factory=dict)
    tag: str | None = None
    quantiser: int | None = None
    note: str | None = None


def container_of(path: Path) -> str:
    """libav's name of the container that the ending of ``path`` stands for; raises ConfigError for an ending that livebg does
    not write."""
    try:
        return CONTAINERS[path.suffix.lower()]
    except KeyError:
        endings = " ".join(CONTAINERS)
        found = f"the ending {path.suffix}" if path.suffix else "no ending"
        raise ConfigError(f"the output {path} has {found}, and a video needs one of {endings}: rename the output") from None


def plan_encoder(encoding: Encoding, path: Path) -> EncoderPlan:
    """Choose encoder and options for a video at ``path``; raises ConfigError for what does not fit together."""
    container = container_of(path)
    if encoding.preset not in PRESETS:
        raise ConfigError(f"the preset {encoding.preset!r} is not known: choose one of {', '.join(PRESETS)}")
    if encoding.threads < 0:
        raise ConfigError(f"the encoder cannot run on {encoding.threads} threads: give 0 for its own choice, or more")
    if encoding.content is Content.MATTE:
        plan = _plan_matte(encoding, container)
    elif encoding.content is Content.CUTOUT:
        plan = _plan_cutout(encoding, container, path)
    else:
        plan = _plan_picture(encoding, container)
    if plan.codec == "libsvtav1":
        os.environ.setdefault("SVT_LOG", "1")  # its library writes to stderr by itself; 1 = errors only
    _try_out(plan, encoding, path)
    return plan


def _plan_picture(encoding: Encoding, container: str) -> EncoderPlan:
    if encoding.codec == DEFAULT_CODEC and container == "webm":
        note = "VP9 as the codec, since WebM cannot hold H.264"
        return replace(_plan_picture(replace(encoding, codec="libvpx-vp9"), container), note=note)
    codec = _encoder_named(encoding.codec)
    options = _options(codec, encoding)
    tag = "hvc1" if codec == "libx265" and container in ("mp4", "mov") else None  # players of Apple want hvc1, not hev1
    # Encoders that have no quality scale of their own would fall back on a bit rate fit for stamps.
    quantiser = None if options else _FIXED_QUANTISER
    return EncoderPlan(container, codec, options=options, tag=tag, quantiser=quantiser)


def _plan_matte(encoding: Encoding, container: str) -> EncoderPlan:
    codec = {"matroska": "ffv1", "webm": "libvpx-vp9"}.get(container, "libx264")
    _refuse_other_codec(encoding, codec, "a matte is written without loss")
    options = _options(codec, encoding)
    options.pop("crf", None)
    lossless = {"libx264": {"qp": "0"}, "libvpx-vp9": {"lossless": "1"}}.get(codec, {})
    return EncoderPlan(container, codec, options=options | lossless)


def _plan_cutout(encoding: Encoding, container: str, path: Path) -> EncoderPlan:
    if container == "webm":
        _refuse_other_codec(encoding, "libvpx-vp9", "a cut-out in WebM is VP9 with alpha")
        options = _options("libvpx-vp9", encoding) | {"auto-alt-ref": "0"}  # libvpx cannot hide frames of the alpha channel
        return EncoderPlan(container, "libvpx-vp9", "yuva420p", options)
    if container == "mov":
        _refuse_other_codec(encoding, "prores_ks", "a cut-out in MOV is ProRes 4444")
        options = {"profile": "4444", "alpha_bits": "16", "vendor": "apl0"}
        return EncoderPlan(container, "prores_ks", "yuva444p10le", options)
    raise ConfigError(
        f"a {path.suffix} file cannot hold a cut-out's transparency: name the output .webm (VP9) or .mov (ProRes 4444)"
    )


def _refuse_other_codec(encoding: Encoding, codec: str, reason: str) -> None:
    if encoding.codec not in (DEFAULT_CODEC, codec):
        raise ConfigError(f"{reason}, with {codec} here and not with {encoding.codec}: leave the codec out")


def _encoder_named(name: str) -> str:
    """libav's own name of the video encoder called ``name`` ("h264" is "libx264"); raises ConfigError when it will not do."""
    try:
        codec = av.Codec(name, "w")
    except UnknownCodecError:
        raise ConfigError(
            f"the codec {name!r} is no encoder of this libav: choose for example libx264, libx265 or libsvtav1"
        ) from None
    formats = codec.video_formats
    if codec.type != "video" or (formats is not None and "yuv420p" not in [each.name for each in formats]):
        raise ConfigError(
            f"the codec {name!r} does not encode 8-bit 4:2:0 video: choose for example libx264, libx265 or libsvtav1"
        )
    return codec.name


def _options(codec: str, encoding: Encoding) -> dict[str, str]:
    """The encoder's own words for quality, speed and threads (those that libav's common ``threads`` does not reach)."""
    top = _MAX_CRF.get(codec, _OTHER_MAX_CRF)
    if not 0 <= encoding.crf <= top:
        raise ConfigError(
            f"the quality crf {encoding.crf:g} is outside 0 to {top} of the codec {codec}: choose one inside, 0 is the best"
        )
    crf = {"crf": f"{encoding.crf:g}"}
    step = PRESETS.index(encoding.preset)
    if codec == "libx264":
        return crf | {"preset": encoding.preset}
    if codec == "libx265":
        pools = f":pools={encoding.threads}" if encoding.threads else ""
        return crf | {"preset": encoding.preset, "x265-params": f"log-level=none{pools}"}
    if codec == "libsvtav1":
        level = {"svtav1-params": f"lp={encoding.threads}"} if encoding.threads else {}
        return {"crf": f"{encoding.crf:.0f}", "preset": str(_SVTAV1_PRESET[step])} | level
    if codec == "libvpx-vp9":
        speed = {"deadline": "good", "cpu-used": str(_VP9_CPU_USED[step]), "row-mt": "1"}
        return {"crf": f"{encoding.crf:.0f}"} | speed
    if codec == "ffv1":
        return {"level": "3", "slicecrc": "1", "g": "1"}
    return {}


def _try_out(plan: EncoderPlan, encoding: Encoding, path: Path) -> None:
    """Raise ConfigError unless the encoder starts and the muxer takes it: a header is written into memory, because the muxers'
    own lists are longer than their practice."""
    with closing(av.open(io.BytesIO(), "w", format=plan.container)) as probe:
        try:
            stream = probe.add_stream(plan.codec, rate=25, options={**plan.options, "threads": "1"})
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height, stream.pix_fmt = 64, 64, plan.pix_fmt
            stream.codec_context.open()
        except av.FFmpegError as error:
            reason = f"the codec {encoding.codec} does not start here ({error.strerror}): choose another codec"
            raise ConfigError(reason) from error
        except ValueError as error:
            raise ConfigError(_misfit(encoding, path)) from error
        try:
            probe.start_encoding()
        except av.FFmpegError as error:
            raise ConfigError(_misfit(encoding, path)) from error


def _misfit(encoding: Encoding, path: Path) -> str:
    return f"a {path.suffix} file cannot hold what the codec {encoding.codec} writes: choose another codec or ending"
