"""How good a matte is: the ruler.

:mod:`livebg.metrics.reference` measures an alpha against the true one, :mod:`livebg.metrics.no_reference` tells from the alpha
and the picture alone how restless it is and how far it trails the picture, :mod:`livebg.metrics.statistics` puts the frames'
numbers together with their uncertainty, :mod:`livebg.metrics.files` does it for files. All take one frame at a time and keep a
few numbers of each, so that a clip may be of any length. A matte that is made calmer is mostly made later: the edge lag is told
beside all else.
"""
