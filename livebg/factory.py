"""Builds sources, sinks, segmenters and effects from settings."""

from functools import partial

from livebg.clock import StageTimer
from livebg.compositing.auto_framing import AutoFraming, Framing, RecordedFraming
from livebg.compositing.backgrounds import BlurBackground, ColorBackground, PictureBackground, StillBackground, read_picture
from livebg.compositing.builtin_backgrounds import paint
from livebg.compositing.composite import composite, cutout, render_matte, tighten
from livebg.compositing.compositor import Compositor, EffectFunction
from livebg.compositing.effect_track import Timeline, Track
from livebg.compositing.light import Light, LitEffect
from livebg.compositing.room_tone import RoomTone
from livebg.compositing.tone_curve import ToneCurve
from livebg.config.choices import BUILTIN_BACKGROUNDS
from livebg.config.parsing import parse_color, parse_size
from livebg.config.settings import Settings
from livebg.errors import ConfigError
from livebg.imaging.frame import Composite, Frame, Matte
from livebg.interfaces import Background, ScalableSegmenter, Segmenter
from livebg.models import find
from livebg.pipeline import Pipeline
from livebg.platform.memory import keep_freed_memory
from livebg.platform.user_paths import expand_user, is_file
from livebg.segmentation.edge_shift import MAX_SHIFT
from livebg.segmentation.guided_upsampling import GuidedUpsampler
from livebg.segmentation.temporal_filter import TemporalFilter
from livebg.sinks.codecs import Content, Encoding
from livebg.sources.media_types import VIDEO_SUFFIXES


def build_segmenter(settings: Settings, frame_size: tuple[int, int] | None = None) -> ScalableSegmenter:
    """Load the network named in the settings; it is faster for frames of ``frame_size`` (width, height), if that is given.

    Raises :class:`~livebg.errors.ModelError`.
    """
    from livebg.segmentation.u2net import U2NetSegmenter  # slow to import: keeps `livebg --help` fast

    model = find(settings.model.name, settings.model.folders)
    return U2NetSegmenter(
        model.path,
        model.card,
        input_size=parse_size(settings.model.input_size),
        frame_size=frame_size,
        normalization=settings.model.normalization,
        provider=settings.model.provider,
        threads=settings.model.threads,
    )


def build_pipeline(
    settings: Settings,
    segmenter: Segmenter,
    stages: StageTimer | None = None,
    *,
    live: bool = False,
    background: Background | None = None,
    output_size: tuple[int, int] | None = None,
    timeline: Timeline | None = None,
) -> Pipeline:
    """Return a pipeline with its own temporal state; the segmenter may be shared.

    With ``live``, no frame waits for its background. ``background`` replaces the one in the settings. ``output_size`` (width,
    height) is that of the composites if auto-framing crops larger frames. With ``timeline``, frames may be composited in any
    order; without it, auto-framing, automatic light and a background video follow the frames as they come.
    """
    keep_freed_memory()
    smoother, upsampler = TemporalFilter(settings.smoothing.time_constant), GuidedUpsampler()
    compositor = build_compositor(settings, stages, live=live, background=background, output_size=output_size, timeline=timeline)
    return Pipeline(segmenter, smoother, upsampler, compositor, stages)


def build_compositor(
    settings: Settings,
    stages: StageTimer | None = None,
    *,
    live: bool = False,
    background: Background | None = None,
    output_size: tuple[int, int] | None = None,
    timeline: Timeline | None = None,
) -> Compositor:
    """Return the part of a pipeline that needs no network, with its own state. For the arguments see :func:`build_pipeline`.

    Raises ValueError for a timeline without a track if the settings need one.
    """
    if timeline and not timeline.track and needs_track(settings):
        raise ValueError("Auto-framing and automatic light need a track.")
    effect, (start, track) = settings.effect, (timeline.start, timeline.track) if timeline else (None, None)
    light = build_light(settings, track)
    return Compositor(
        build_effect(settings, live=live, background=background, light=light, start=start),
        edge=effect.edge,
        coarse_effect=build_effect(settings, coarse=True, live=live, light=light) if effect.mode == "portrait" else None,
        framing=_build_framing(settings, output_size, track),
        stages=stages,
    )


def _build_framing(settings: Settings, output_size: tuple[int, int] | None, track: Track | None) -> Framing | None:
    if settings.effect.framing == 1:
        return None
    return RecordedFraming(track.window) if track else AutoFraming(settings.effect.framing, output_size)


def needs_track(settings: Settings) -> bool:
    """Return whether a frame's effect depends on earlier frames, so that rendering in any order needs a track."""
    effect = settings.effect
    return effect.framing > 1 or (effect.light_auto and effect.mode != "matte")


def build_light(settings: Settings, track: Track | None = None) -> Light:
    """Return the light on the person: that of ``track``, or one with its own temporal state."""
    auto = settings.effect.light_auto
    return Light(settings.effect.light, auto=auto, recorded=track.strength if track and auto else None)


def build_effect(
    settings: Settings,
    *,
    coarse: bool = False,
    live: bool = False,
    background: Background | None = None,
    light: Light | None = None,
    start: float | None = None,
) -> EffectFunction:
    """Return the function of the mode that turns a frame and its matte into a composite.

    ``coarse`` selects the cheaper blur where the mode blurs; with ``live``, no frame waits for its background. ``background``
    replaces the one in the settings. Effects that are given the same ``light`` share its state. For ``start`` see
    :func:`build_background`, which also states what is raised.
    """
    if settings.effect.mode == "matte":
        return render_matte
    lamp = light or build_light(settings)
    if settings.effect.mode == "cutout":
        return LitEffect(cutout, lamp)
    shown = background or build_background(settings, coarse=coarse, live=live, start=start)
    keyed = settings.effect.mode == "greenscreen"
    wrap = 0.0 if keyed else settings.effect.light_wrap

    def make(frame: Frame, matte: Matte, curve: ToneCurve | None) -> Composite:
        keyed_matte, behind = tighten(matte) if keyed else matte, shown.picture(frame, matte)
        return composite(frame, behind, keyed_matte, in_place=shown.returns_new_array, light_wrap=wrap, curve=curve)

    return LitEffect(make, lamp)


def build_background(settings: Settings, *, coarse: bool = False, live: bool = False, start: float | None = None) -> Background:
    """Return the background in the settings. Raises :class:`~livebg.errors.ConfigError` if it cannot be used.

    ``start`` is the time in seconds of the frame with which a video begins; by default it is the first one that comes.
    """
    effect = settings.effect
    tone = RoomTone(effect.dim, effect.desaturate)
    if effect.mode == "portrait":
        margin = max(-effect.edge, 0) * MAX_SHIFT
        return BlurBackground(effect.blur, lens=effect.lens, coarse=coarse, tone=tone, margin=margin)
    if effect.mode == "greenscreen":
        return ColorBackground(parse_color(effect.screen))
    if effect.background.startswith("#"):
        try:
            return ColorBackground(parse_color(effect.background), tone=tone)
        except ValueError as error:
            raise ConfigError(f"The background {error}") from None
    if effect.background in BUILTIN_BACKGROUNDS:
        return StillBackground(partial(paint, effect.background), tone=tone)
    path = expand_user(effect.background)
    if path.name == effect.background and not path.suffix and not is_file(path):
        built_in = ", ".join(BUILTIN_BACKGROUNDS)
        raise ConfigError(
            f"The background {path} is neither a file nor built in ({built_in}).", "Use one of these, a picture or #rrggbb."
        )
    if path.suffix.lower() in VIDEO_SUFFIXES:
        from livebg.compositing.video_background import VideoBackground  # slow to import

        return VideoBackground(path, live=live, fit=effect.background_fit, tone=tone, start=start)
    picture = read_picture(path)
    return PictureBackground(picture.rgb, effect.background_fit, picture.icc, tone=tone)


def build_encoding(settings: Settings, mode: str) -> Encoding:
    contents = {"matte": Content.MATTE, "cutout": Content.CUTOUT}
    content = contents.get(mode, Content.PICTURE)
    return Encoding(settings.render.codec, settings.render.crf, settings.render.preset, content)
