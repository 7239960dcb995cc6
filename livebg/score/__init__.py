"""How good a matte is: the ruler.

:mod:`livebg.score.truth` measures an alpha against the true one, :mod:`livebg.score.blind` tells from the alpha and the picture
alone how restless it is and how far it trails the picture, :mod:`livebg.score.report` puts the frames' numbers together with
their uncertainty. All take one frame at a time and keep a few numbers of each, so that a clip may be of any length. Whoever
makes a matte calmer makes it later, and without truth every number but the edge lag gets better by it: they are told together.
"""
