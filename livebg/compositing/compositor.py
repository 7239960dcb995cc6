"""From a frame and its matte to the composite: edge shift, effect, auto-framing."""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, runtime_checkable

from livebg.clock import StageTimer
from livebg.compositing.auto_framing import FULL_FRAME, CropWindow, Framing
from livebg.compositing.composite import crop
from livebg.imaging.frame import Composite, Frame, Matte
from livebg.segmentation.edge_shift import shift_edge

EffectFunction = Callable[[Frame, Matte], Composite]
"""An effect mode: turns a frame and its matte, as shown, into a composite."""


@runtime_checkable
class StatefulEffect(Protocol):
    """An effect with temporal state."""

    def reset(self) -> None:
        """Clear the temporal state."""
        ...


class Compositor:
    """Shifts the matte's edge, applies the effect, and crops the result to the person.

    ``edge``, -1..1, shrinks or grows the matte as :func:`~livebg.segmentation.edge_shift.shift_edge` does; the result is the
    matte as shown. ``coarse_effect`` is an optional cheaper ``effect`` of the same mode; ``framing`` follows the person if given.
    The only state between frames is that of the effect and of the framing.
    """

    def __init__(
        self,
        effect: EffectFunction,
        *,
        edge: float = 0.0,
        coarse_effect: EffectFunction | None = None,
        framing: Framing | None = None,
        stages: StageTimer | None = None,
    ) -> None:
        self._effect, self._coarse_effect = effect, coarse_effect
        self._edge, self._framing = edge, framing
        self._stage = (stages or StageTimer()).stage

    @property
    def oversampling(self) -> float:
        """See :attr:`livebg.pipeline.Processor.oversampling`."""
        return 1.0 if self._framing is None else self._framing.oversampling

    @property
    def has_coarse_effect(self) -> bool:
        return self._coarse_effect is not None

    def composite(self, frame: Frame, matte: Matte, *, coarse: bool = False) -> tuple[Composite, Matte]:
        """Return the composite of ``frame`` and the matte as shown, which is uncropped. ``coarse`` selects the coarse effect, if
        there is one.

        Raises ValueError if ``matte`` belongs to another frame.
        """
        with self._stage("compositing"):
            shown = self.shown_matte(matte)
            composite = self.apply(frame, shown, coarse=coarse)
        if self._framing is None:
            return composite, shown
        with self._stage("framing"):
            return self.crop(composite, self.crop_window(shown)), shown

    # The steps, for callers that need more than one picture of a frame.

    def shown_matte(self, matte: Matte) -> Matte:
        """Return the matte with its edge shifted; the same object if nothing changes."""
        alpha = shift_edge(matte.alpha, self._edge)
        return matte if alpha is matte.alpha else replace(matte, alpha=alpha)

    def apply(self, frame: Frame, shown: Matte, *, coarse: bool = False) -> Composite:
        """Return the uncropped composite of ``frame`` from its matte as shown."""
        effect = self._coarse_effect if coarse and self._coarse_effect is not None else self._effect
        return effect(frame, shown)

    def crop_window(self, shown: Matte) -> CropWindow:
        """Return the window of auto-framing at the time of ``shown``, the full frame without auto-framing. Call it once per
        frame, in order."""
        return FULL_FRAME if self._framing is None else self._framing.view(shown.alpha, shown.time)

    def crop(self, composite: Composite, window: CropWindow) -> Composite:
        """Return the composite cropped to ``window`` and scaled to the size of the output."""
        return crop(composite, window, None if self._framing is None else self._framing.output_size)

    def reset(self) -> None:
        """Clear the state of the effects: after a toggle, a seek, a change of format or a gap in time."""
        for effect in (self._effect, self._coarse_effect):
            if isinstance(effect, StatefulEffect):
                effect.reset()
