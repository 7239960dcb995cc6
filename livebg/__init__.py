"""livebg: the person sharp, the room out of sight.

The frame's way, in the order of the packages: ``sources`` decode it to I420 (:mod:`livebg.imaging.frame`); ``segmentation`` runs
the network (``models``) on a small RGB picture of it, steadies alpha in time and brings it to the frame's resolution;
``compositing`` makes the picture that may be shown; ``sinks`` take it. ``pipeline`` joins what lies between source and sink;
``live`` runs it on a camera (``v4l2``) and into one, as part of the ``daemon``; ``rendering`` runs it over files; ``factory``
makes the objects from the settings (``config``), and ``cli`` is what people type.
"""

from importlib.metadata import version

__version__ = version("livebg")
