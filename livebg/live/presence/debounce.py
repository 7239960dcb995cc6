"""Debounces presence readings."""


class PresenceDebouncer:
    """Debounces readings: True (watched), False (unwatched) or None (unknown, treated as watched).

    A change to watched takes effect immediately or, after unwatched, when two polls ``settle`` seconds apart agree. A change to
    unwatched takes effect ``grace`` seconds after the last viewer left, if no reading contradicts it and a final poll confirms
    it; before the first result, a second poll confirms it. Times are seconds of any monotonic clock.

    ``watched`` is the result, None before the first one. ``recheck_at`` is the time of the confirming poll, None if none is
    pending."""

    def __init__(self, grace: float, settle: float = 0.0) -> None:
        self.grace, self.settle = grace, settle
        self.watched: bool | None = None
        self.recheck_at: float | None = None

    def update(self, level: bool | None, now: float, *, fresh: bool) -> None:
        """Process a reading at time ``now``. ``fresh``: from a fresh poll rather than an event, which may be outdated."""
        found, delay = level is not False, self._confirmation_delay(level)
        if found == self.watched:
            self.recheck_at = None
        elif delay is None or (self.recheck_at is not None and fresh and now >= self.recheck_at):
            self.watched, self.recheck_at = found, None
        elif self.recheck_at is None or not (found or fresh):
            # An unwatched event while unwatched is pending: a viewer came and left between events.
            self.recheck_at = now + delay

    def _confirmation_delay(self, level: bool | None) -> float | None:
        """Return the seconds until ``level`` must be confirmed, None if it takes effect immediately."""
        if level is False:
            return self.grace if self.watched else 0.0
        return self.settle if level and self.watched is False and self.settle else None
