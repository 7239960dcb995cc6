"""The contract of :class:`livebg.interfaces.Sink`, as tests that every implementation inherits.

A test class inherits :class:`SinkContract` and provides the fixture ``make_sink``.
"""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from livebg.errors import SinkError
from livebg.imaging.frame import _SEAL, Alpha8, ColorSpec, Composite
from livebg.interfaces import Sink

WIDTH, HEIGHT = 64, 48
TIME_BASE = Fraction(1, 1000)
UNTAGGED = ColorSpec()

MakeSink = Callable[[], Sink]


def composite(
    pts: int,
    *,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    time_base: Fraction = TIME_BASE,
    luma: int | None = None,
    color: ColorSpec = UNTAGGED,
    alpha: Alpha8 | None = None,
) -> Composite:
    """Return a plain gray composite; its luma follows ``pts`` unless given."""
    width, height = size
    data = np.full((height * 3 // 2, width), 128, np.uint8)
    data[:height] = 40 + pts % 160 if luma is None else luma
    return Composite(data, pts, time_base, color, alpha, _SEAL)


class SinkContract:
    """Tests send, close, abort and the ``with`` block."""

    def test_implements_sink_protocol(self, make_sink: MakeSink) -> None:
        with make_sink() as sink:
            assert isinstance(sink, Sink)
            sink.send(composite(0))

    def test_closing_twice_does_nothing(self, make_sink: MakeSink) -> None:
        sink = make_sink()
        sink.send(composite(0))
        sink.close()
        sink.close()
        sink.abort()

    def test_aborting_twice_does_nothing(self, make_sink: MakeSink) -> None:
        sink = make_sink()
        sink.send(composite(0))
        sink.abort()
        sink.abort()
        sink.close()

    @pytest.mark.parametrize("end", ["close", "abort"])
    def test_send_after_end_fails(self, make_sink: MakeSink, end: str) -> None:
        sink = make_sink()
        sink.send(composite(0))
        getattr(sink, end)()
        with pytest.raises(SinkError, match="closed"):
            sink.send(composite(40))

    @pytest.mark.parametrize("pts", [40, 39])
    def test_time_must_increase(self, make_sink: MakeSink, pts: int) -> None:
        sink = make_sink()
        sink.send(composite(40))
        with pytest.raises(SinkError, match="increase"):
            sink.send(composite(pts))
        sink.abort()

    def test_send_neither_changes_nor_keeps_arrays(self, make_sink: MakeSink) -> None:
        picture = composite(0)
        before = picture.data.copy()
        with make_sink() as sink:
            sink.send(picture)
            # The array can be reused immediately: the sink keeps no reference.
            np.testing.assert_array_equal(picture.data, before)
            picture.data[:] = 0

    def test_exception_in_with_block_propagates_and_ends_sink(self, make_sink: MakeSink) -> None:
        sink = make_sink()

        def work() -> None:
            with sink:
                sink.send(composite(0))
                raise KeyError

        with pytest.raises(KeyError):
            work()
        with pytest.raises(SinkError):
            sink.send(composite(40))
