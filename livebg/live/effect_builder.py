"""What turns frames into composites, made ready before it is wanted."""

import time
from collections.abc import Callable

from livebg.clock import REAL, StageClock, Waits
from livebg.compositing.composite import Consent
from livebg.config.settings import Settings
from livebg.factory import build_segmenter
from livebg.imaging.frame import Frame, VideoFormat, blank
from livebg.interfaces import Segmenter
from livebg.live.quality.adaptive_pipeline import GovernedPipeline, governed
from livebg.live.worker import LiveProcessor
from livebg.pipeline import Unprocessed

Build = Callable[[], LiveProcessor]
"""Makes what turns frames into composites; called in the worker's thread."""


class _Network:
    """A network that runs, and the settings that it runs by. Raises :class:`~livebg.errors.ModelError`."""

    def __init__(self, settings: Settings, open_network: Callable[[Settings], Segmenter]) -> None:
        self.settings = settings.model
        self.segmenter = open_network(settings)
        self.hangs = False


class LookBuilder:
    """Builds what turns frames into composites. The network is loaded once and shared by all looks, until it hangs.

    Calling it gives the first look, by ``settings``, or with the user's ``consent`` the room as it is. ``shape`` is the format of
    the frames that looks are made ready for. ``open_network`` opens the one that the settings name; ``clock`` and ``waits`` are
    those of :class:`~livebg.live.quality.adaptive_pipeline.GovernedPipeline`.
    """

    def __init__(
        self,
        settings: Settings,
        consent: Consent | None,
        stages: StageClock,
        shape: VideoFormat,
        *,
        open_network: Callable[[Settings], Segmenter] = build_segmenter,
        clock: Callable[[], float] = time.perf_counter,
        waits: Waits = REAL,
    ) -> None:
        self._open_network, self._clock, self._waits = open_network, clock, waits
        self._settings, self._consent, self._stages = settings, consent, stages
        self._example = Frame(blank(shape.width, shape.height), 0, 1 / shape.frame_rate, shape.color)
        self._at_hand: _Network | None = None
        self._in_use: _Network | None = None
        self._pipeline: GovernedPipeline | None = None

    @property
    def segmenter(self) -> Segmenter | None:
        """The network in use; None while it is loaded, and in mode ``none``."""
        network = self._in_use
        return network.segmenter if network else None

    @property
    def given_up(self) -> tuple[str, ...]:
        """What the look in use gives up to keep the frame rate, in words for people."""
        pipeline = self._pipeline
        return pipeline.given_up if pipeline and self._in_use else ()

    def __call__(self) -> LiveProcessor:
        """May take its time. Raises :class:`~livebg.errors.ModelError` and :class:`~livebg.errors.ConfigError`."""
        if self._consent is not None:
            return self.unprocessed(self._consent)()
        return self.prepare(self._settings)()

    def prepare(self, settings: Settings) -> Build:
        """Makes all of a look ready that may fail or take its time, in the thread that calls; building it is cheap then.

        Built a second time, after the network hung, all of it is made anew, in the worker's thread. Raises
        :class:`~livebg.errors.ModelError` and :class:`~livebg.errors.ConfigError`.
        """
        network = self._load(settings)
        ready = [self._governed(settings, network)]

        def build() -> LiveProcessor:
            # What hung may wake up and go on writing: nothing of it is used again.
            if network.hangs or not ready:
                fresh = self._load(settings)
                self._pipeline, self._in_use = self._governed(settings, fresh), fresh
            else:
                self._pipeline, self._in_use = ready.pop(), network
            return self._pipeline

        return build

    def unprocessed(self, consent: Consent) -> Build:
        """The room as it is, on the user's own word. The network stays at hand."""

        def build() -> LiveProcessor:
            self._in_use = None
            return Unprocessed(consent)

        return build

    def forget(self) -> None:
        """The network hangs: it is not asked again."""
        for network in (self._in_use, self._at_hand):
            if network is not None:
                network.hangs = True
        self._at_hand = None

    def _load(self, settings: Settings) -> _Network:
        network = self._at_hand
        if network is None or network.settings != settings.model:
            network = self._at_hand = _Network(settings, self._open_network)
        return network

    def _governed(self, settings: Settings, network: _Network) -> GovernedPipeline:
        # A machine that was too slow for the look before is too slow for this one.
        pipeline = governed(settings, network.segmenter, self._stages, self._pipeline, clock=self._clock, waits=self._waits)
        pipeline.warm(self._example)
        return pipeline
