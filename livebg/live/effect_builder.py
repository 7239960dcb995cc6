"""Builds the processors that turn frames into composites, ahead of their first use."""

from collections.abc import Callable
from functools import partial

from livebg.clock import SYSTEM_CLOCK, Clock, StageTimer
from livebg.compositing.composite import Consent
from livebg.config.settings import Settings
from livebg.factory import build_segmenter
from livebg.imaging.frame import Frame, VideoFormat, empty_i420
from livebg.interfaces import Segmenter
from livebg.live.frame_path import Build
from livebg.live.quality.adaptive_pipeline import AdaptivePipeline, build_adaptive_pipeline
from livebg.live.quality.delayed_pipeline import with_delay
from livebg.pipeline import Passthrough, Processor


class _Network:
    """A loaded network and its settings. Raises :class:`~livebg.errors.ModelError`."""

    def __init__(self, settings: Settings, open_network: Callable[[Settings], Segmenter]) -> None:
        self.settings = settings.model
        self.segmenter = open_network(settings)
        self.hangs = False


class ProcessorFactory:
    """Builds processors for effects. All effects share one loaded network until it hangs.

    Calling the builder returns the processor for ``settings`` or, given the user's ``consent``, one that shows the raw frames.
    ``shape`` is the frame format to warm processors up with. ``open_network`` loads the network that the settings select; the
    default loads it for frames of that format.
    ``clock`` is passed to :class:`~livebg.live.quality.adaptive_pipeline.AdaptivePipeline`.
    """

    def __init__(
        self,
        settings: Settings,
        consent: Consent | None,
        stages: StageTimer,
        shape: VideoFormat,
        *,
        open_network: Callable[[Settings], Segmenter] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._open_network = open_network or partial(build_segmenter, frame_size=(shape.width, shape.height))
        self._clock = clock
        self._settings, self._consent, self._stages = settings, consent, stages
        self._example = Frame(empty_i420(shape.width, shape.height), 0, 1 / shape.frame_rate, shape.color)
        self._cached: _Network | None = None
        self._active: _Network | None = None
        self._pipeline: AdaptivePipeline | None = None

    @property
    def segmenter(self) -> Segmenter | None:
        """The network in use. None while it is loading and in mode ``none``."""
        network = self._active
        return network.segmenter if network else None

    @property
    def degradations(self) -> tuple[str, ...]:
        """Human-readable quality reductions that keep the frame rate. Empty at full quality."""
        pipeline = self._pipeline
        return pipeline.degradations if pipeline and self._active else ()

    def __call__(self) -> Processor:
        """Return the first processor; may be slow. Raises ModelError and ConfigError (:mod:`livebg.errors`)."""
        if self._consent is not None:
            return self.passthrough(self._consent)()
        return self.prepare(self._settings)()

    def prepare(self, settings: Settings) -> Build:
        """Do all slow or failing work for an effect in the calling thread, so that the returned function is cheap.

        Calling that function again after the network hung rebuilds everything in the worker thread. Raises
        :class:`~livebg.errors.ModelError` and :class:`~livebg.errors.ConfigError`.
        """
        before, network = self._cached, self._load(settings)
        try:
            ready = [self._build_pipeline(settings, network)]
        except Exception:
            if before is not None and not before.hangs:
                self._cached = before  # it is in use, and the effect that needs another one is rejected
            raise

        def build() -> Processor:
            # A hung network may resume and write to its buffers later, so never reuse them.
            if network.hangs or not ready:
                fresh = self._load(settings)
                self._pipeline, self._active = self._build_pipeline(settings, fresh), fresh
            else:
                self._pipeline, self._active = ready.pop(), network
            return with_delay(self._pipeline, settings, self._stages)

        return build

    def passthrough(self, consent: Consent) -> Build:
        """Return a builder that shows raw frames, with the user's consent. The network stays loaded."""

        def build() -> Processor:
            self._active = None
            return Passthrough(consent)

        return build

    def discard_network(self) -> None:
        """Mark the hung network so that it is never used again."""
        for network in (self._active, self._cached):
            if network is not None:
                network.hangs = True
        self._cached = None

    def _load(self, settings: Settings) -> _Network:
        network = self._cached
        if network is None or network.settings != settings.model:
            network = self._cached = _Network(settings, self._open_network)
        return network

    def _build_pipeline(self, settings: Settings, network: _Network) -> AdaptivePipeline:
        # Start from the previous quality level: the machine is as slow as before.
        size = (self._example.width, self._example.height)
        pipeline = build_adaptive_pipeline(
            settings, network.segmenter, self._stages, self._pipeline, output_size=size, clock=self._clock
        )
        pipeline.warm(self._example)
        return pipeline
