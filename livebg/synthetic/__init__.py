"""Synthetic clips: people with exact alpha moving over empty rooms, for tests, evaluation and training.

``layering`` composites cut-outs over pictures, ``chroma_key`` extracts them from a green screen, ``motions`` describes how
people, camera and light move, ``clips`` renders a motion, ``procedural`` draws people and rooms if no photos are available, and
``objects`` draws what they hold.
"""

from livebg.synthetic.chroma_key import cut_green
from livebg.synthetic.clips import Actor, Moment, clip, standing
from livebg.synthetic.layering import Box, Cutout, Matrix, Picture, bounding_box, over, place, similarity
from livebg.synthetic.motions import MOTIONS, Motion, Pose, Scene, View
from livebg.synthetic.objects import OBJECTS, Held, hold
from livebg.synthetic.procedural import blob_person, procedural_room

__all__ = [
    "MOTIONS",
    "OBJECTS",
    "Actor",
    "Box",
    "Cutout",
    "Held",
    "Matrix",
    "Moment",
    "Motion",
    "Picture",
    "Pose",
    "Scene",
    "View",
    "blob_person",
    "bounding_box",
    "clip",
    "cut_green",
    "hold",
    "over",
    "place",
    "procedural_room",
    "similarity",
    "standing",
]
