"""The contract of :class:`livebg.interfaces.Source`, as tests that every implementation inherits."""

from collections.abc import Callable
from itertools import islice, pairwise

import numpy as np
import pytest

from livebg.interfaces import Source


class SourceContract:
    """Inherit in a class named ``Test...`` and provide a fixture ``open_source`` that opens a source of at least three frames."""

    @pytest.fixture
    def open_source(self) -> Callable[[], Source]:
        raise NotImplementedError

    def test_implements_source_protocol(self, open_source: Callable[[], Source]) -> None:
        with open_source() as source:
            assert isinstance(source, Source)

    def test_format_is_constant_and_matches_every_frame(self, open_source: Callable[[], Source]) -> None:
        with open_source() as source:
            form = source.format
            assert form.frame_rate > 0
            for frame in islice(source, 3):
                assert (frame.width, frame.height, frame.color) == (form.width, form.height, form.color)
            assert source.format == form

    def test_time_increases(self, open_source: Callable[[], Source]) -> None:
        with open_source() as source:
            frames = list(islice(source, 3))
        assert len(frames) == 3
        assert all(before.pts < after.pts for before, after in pairwise(frames))
        assert len({frame.time_base for frame in frames}) == 1

    def test_frame_is_read_only_and_never_reused(self, open_source: Callable[[], Source]) -> None:
        with open_source() as source:
            frames = iter(source)
            first = next(frames)
            kept = first.data.copy()
            assert not first.data.flags.writeable
            for later in islice(frames, 2):
                assert not np.shares_memory(first.data, later.data)
        assert np.array_equal(first.data, kept)

    def test_close_before_reading_and_twice_is_allowed(self, open_source: Callable[[], Source]) -> None:
        source = open_source()
        source.close()
        source.close()
        assert list(islice(source, 1)) == []

    def test_nothing_is_yielded_after_close(self, open_source: Callable[[], Source]) -> None:
        source = open_source()
        frames = iter(source)
        next(frames)
        source.close()
        assert next(frames, None) is None

    def test_exiting_with_block_closes(self, open_source: Callable[[], Source]) -> None:
        with open_source() as source:
            next(iter(source))
        assert next(iter(source), None) is None

    def test_exiting_with_block_by_exception_closes(self, open_source: Callable[[], Source]) -> None:
        source = open_source()
        with pytest.raises(KeyError), source:
            raise KeyError
        assert next(iter(source), None) is None
