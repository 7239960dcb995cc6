"""Days of a live session within an hour: ``python -m tests.soak --frames 1000000 --state FILE``.

The real session runs with its threads, its control and preview sockets, its governor and its way of seeing who watches, on a
looped clip, in a time of its own (:mod:`tests.soak.virtual_time`), while a director (:mod:`tests.soak.chaos`) says everything
that may be said to it and breaks everything that may break.
"""
