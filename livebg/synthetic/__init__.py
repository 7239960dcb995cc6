"""People with exact alpha, moved over empty rooms: for tests, score and training.

``layering`` places cut-outs over pictures, ``chroma_key`` cuts them out of a green screen, ``motions`` says how people, camera
and light move, ``clips`` renders that, ``procedural`` draws people and rooms where no photos are at hand.
"""

from livebg.synthetic.chroma_key import cut_green
from livebg.synthetic.clips import Actor, Moment, clip, standing
from livebg.synthetic.layering import Cutout, Matrix, Picture, over, place, similarity
from livebg.synthetic.motions import MOTIONS, Motion, Pose, Scene, View
from livebg.synthetic.procedural import blob_person, procedural_room

__all__ = [
    "MOTIONS",
    "Actor",
    "Cutout",
    "Matrix",
    "Moment",
    "Motion",
    "Picture",
    "Pose",
    "Scene",
    "View",
    "blob_person",
    "clip",
    "cut_green",
    "over",
    "place",
    "procedural_room",
    "similarity",
    "standing",
]
