"""From what was read, at times, to whether somebody watches, without flapping."""


class Judgement:
    """Judges levels: True for somebody, False for nobody, None for what cannot be known, which is taken for somebody.

    Somebody counts at once, or, after nobody, once two looks ``settle`` seconds apart show them. Nobody counts once ``grace``
    seconds have gone since somebody was last heard to leave, nothing said otherwise meanwhile, and a look at the end confirms it;
    before there is any verdict, a look right after the first. Times are in seconds, of any clock that doesn't go back.

    ``watched`` is the verdict, None before the first; ``due`` is when to look in order to confirm, None when nothing is pending.
    """

    def __init__(self, grace: float, settle: float = 0.0) -> None:
        self.grace, self.settle = grace, settle
        self.watched: bool | None = None
        self.due: float | None = None

    def take(self, level: bool | None, now: float, *, anew: bool) -> None:
        """``anew``: it was looked up for the purpose, in contrast to news that may be old."""
        found, wait = level is not False, self._wait(level)
        if found == self.watched:
            self.due = None
        elif wait is None or (self.due is not None and anew and now >= self.due):
            self.watched, self.due = found, None
        elif self.due is None or not (found or anew):
            # News of nobody, when that is known already: somebody came and went, too quickly to be heard of.
            self.due = now + wait

    def _wait(self, level: bool | None) -> float | None:
        """Seconds until ``level`` has to be confirmed, None where it counts at once."""
        if level is False:
            return self.grace if self.watched else 0.0
        return self.settle if level and self.watched is False and self.settle else None
