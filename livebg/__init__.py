"""Replace or blur the background behind a person, live and in files.

Packages, in the order in which a frame passes through them: ``sources`` decodes frames to I420 (:mod:`livebg.imaging.frame`);
``segmentation`` runs the network (``models``) on a small RGB picture, filters alpha over time and upsamples it to the frame's
resolution; ``compositing`` makes the picture that may be shown; ``sinks`` writes it. ``pipeline`` joins the steps between source
and sink. ``live`` runs the pipeline from a camera (``v4l2``) to a virtual camera, as part of the ``daemon``; ``rendering`` runs
it over files. ``factory`` builds the objects from the settings (``config``), and ``cli`` is the command line.
"""

from livebg._version import __version__ as __version__
