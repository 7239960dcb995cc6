"""From a frame to its alpha: the network, the temporal filter and the guided upsampling."""
