"""livebg: the person sharp, the room out of sight.

The frame's way, in the order of the modules: ``sources`` decode it to I420 (:mod:`livebg.frame`); ``segmentation`` runs the
network (``models``, ``network``, ``providers``) on a small RGB picture of it; ``smoothing`` steadies alpha in time; ``matting``
brings alpha to the frame's resolution; ``backgrounds`` and ``compositing`` make the picture that may be shown; ``sinks`` take
it. ``pipeline`` joins what lies between source and sink; ``live`` runs it on a camera and into one (``v4l2``, ``geometry``),
``render`` is the loop around it for files, ``photo`` its still sister,
``batch`` does many files (``jobs``), ``build`` makes the objects from the settings (``config``), and ``cli`` is what people
type.
"""

from importlib.metadata import version

__version__ = version("livebg")
