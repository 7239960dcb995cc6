"""The fakes fulfill the contracts of the real implementations."""

from collections.abc import Callable

import pytest

from livebg.interfaces import Segmenter, Source
from tests.support.pipeline_fakes import ListSink, ListSource, LumaSegmenter, noise_frame
from tests.support.segmenter_contract import SegmenterContract
from tests.support.sink_contract import MakeSink, SinkContract
from tests.support.source_contract import SourceContract


class TestListSource(SourceContract):
    @pytest.fixture
    def open_source(self) -> Callable[[], Source]:
        return lambda: ListSource([noise_frame(number, number=number) for number in range(4)])


class TestListSink(SinkContract):
    @pytest.fixture
    def make_sink(self) -> MakeSink:
        return ListSink


class TestLumaSegmenter(SegmenterContract):
    @pytest.fixture
    def segmenter(self) -> Segmenter:
        return LumaSegmenter()
