"""Reclaiming leased buffers, with buffers in local memory."""

import ctypes

from livebg.sinks.pipewire import abi
from livebg.sinks.pipewire.buffers import BufferLeases


class FakeBuffer:
    """A buffer with a header and a busy counter."""

    def __init__(self) -> None:
        self.header, self.busy = abi.MetaHeader(), abi.MetaBusy()
        self._metas = (abi.MetaData * 2)(
            abi.MetaData(abi.META_HEADER, ctypes.sizeof(self.header), ctypes.addressof(self.header)),
            abi.MetaData(abi.META_BUSY, ctypes.sizeof(self.busy), ctypes.addressof(self.busy)),
        )
        self._inner = abi.SpaBuffer(2, 0, self._metas, None)
        self._outer = abi.Buffer(ctypes.pointer(self._inner))
        self.address = ctypes.addressof(self._outer)


def test_expired_lease_is_reclaimed() -> None:
    now = 10.0
    loans = BufferLeases(lambda: now)
    early, late = FakeBuffer(), FakeBuffer()
    loans.lease(early.address)
    now = 10.2
    loans.lease(late.address)
    early.busy.count = late.busy.count = 2
    loans.reclaim_expired()
    assert (early.busy.count, late.busy.count) == (2, 2), "readers have their time"
    now = 10.35
    loans.reclaim_expired()
    assert (early.busy.count, late.busy.count) == (0, 2)
    assert (early.header.flags, early.header.seq) == (0, 0)


def test_lease_resets_busy_count() -> None:
    buffer = FakeBuffer()
    buffer.busy.count = 0xFFFFFFFF  # a reader returned it after it had been reclaimed
    BufferLeases().lease(buffer.address)
    assert buffer.busy.count == 1


def test_released_buffers_are_not_touched() -> None:
    now = 0.0
    loans = BufferLeases(lambda: now)
    buffer = FakeBuffer()
    loans.lease(buffer.address)
    loans.release(buffer.address)
    loans.release(buffer.address)
    now = 9.0
    loans.reclaim_expired()
    assert buffer.busy.count == 1


def test_buffer_without_busy_counter_is_ignored() -> None:
    inner = abi.SpaBuffer(0, 0, None, None)
    outer = abi.Buffer(ctypes.pointer(inner))
    now = 0.0
    loans = BufferLeases(lambda: now)
    loans.lease(ctypes.addressof(outer))
    now = 9.0
    loans.reclaim_expired()
