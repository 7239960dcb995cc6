"""How the bundled network was made: from pictures of people to `livebg-u2.onnx`. Behind the extra `livebg[train]`.

The way through: `store` (prepared pictures on disk), `labelling` (soft alpha for pictures that have a hard mask or none),
`prepare` (data sets -> store), `distort` and `samples` (pictures -> what a webcam might see), `architecture` (the network),
`ancestry` (its first weights, from u2netp), `losses`, `loop` (training with checkpoints), `export` (to ONNX).
"""
