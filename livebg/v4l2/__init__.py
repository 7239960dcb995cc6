"""Linux's cameras and loopback devices, by the kernel's own interface: ctypes, ioctl and mmap, nothing else."""
