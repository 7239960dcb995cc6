"""How the bundled network was made: from pictures of people to `livebg-u2.onnx`. Behind the extra `livebg[train]`.

The way through: `pixel_store` (prepared pictures on disk), `pseudo_labels` (soft alpha for pictures that have a hard mask or
none), `prepare` (data sets -> store), `augmentation` and `dataset` (pictures -> what a webcam might see), `architecture` (the
network), `pretrained` (its first weights, from u2netp), `losses`, `trainer` (training with checkpoints), `export` (to ONNX).
"""
