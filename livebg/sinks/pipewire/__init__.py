"""A PipeWire camera, which needs no kernel module: ``abi`` and ``pods`` hold the data formats, ``libpipewire`` loads the library,
``stream`` is the camera, ``sink`` the output's interface and ``streaming`` whether an app receives pictures.
"""
