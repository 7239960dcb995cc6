"""Days of a live session within an hour: ``python -m tests.soak --frames 1000000 --state FILE``.

The real session runs with its threads, its control and preview sockets, its governor and its way of seeing who watches, on a
looped clip, in a time of its own (:mod:`tests.soak.virtual_time`), while a driver (:mod:`tests.soak.chaos`) sends all
commands and causes all faults.
"""
