"""livebg on a real kernel: Debian's, in QEMU, with the kernel's test camera, v4l2loopback, and real clients."""
