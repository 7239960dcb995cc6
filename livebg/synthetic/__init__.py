"""People with exact alpha, moved over empty rooms: for tests, score and training.

``layers`` places cut-outs over pictures, ``keying`` cuts them out of a green screen, ``motions`` says how people, camera and
light move, ``clips`` renders that, ``made_up`` draws people and rooms where no photos are at hand.
"""

from livebg.synthetic.clips import Actor, Moment, clip, standing
from livebg.synthetic.keying import cut_green
from livebg.synthetic.layers import Cutout, Matrix, Picture, over, place, similarity
from livebg.synthetic.made_up import blob_person, procedural_room
from livebg.synthetic.motions import MOTIONS, Motion, Pose, Scene, View

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
