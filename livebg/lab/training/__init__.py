"""Training of the bundled network, from pictures of people to ``livebg-u2.onnx``. Requires the extra ``livebg[train]``.

In order of use: ``pixel_store`` (prepared pictures on disk), ``pseudo_labels`` (soft alpha for pictures with a binary mask or
none), ``prepare`` (data sets to stores), ``hard_examples`` (how often to draw each photo), ``augmentation``, ``objects``,
``framing`` and ``dataset`` (stores to webcam-like samples), ``architecture`` (the network), ``losses``, ``trainer`` (training
with checkpoints), ``export`` (to ONNX and back), ``train_pipeline`` (training in stages).
"""
