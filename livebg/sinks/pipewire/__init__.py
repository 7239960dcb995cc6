"""A PipeWire camera, which needs no kernel module: ``abi`` and ``pods`` hold the data formats, ``libpipewire`` loads the library
and ``stream`` is the camera.
"""
