"""Linux cameras and loopback devices through the kernel's interface (ctypes, ioctl and mmap only)."""
