"""A camera that PipeWire offers to other programs, without a kernel module: ``abi`` and ``pods`` are its words, ``libpipewire``
loads it, ``stream`` is the camera, ``sink`` what the output thread writes to, and ``streaming`` whether anybody watches.
"""
