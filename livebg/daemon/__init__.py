"""Steering the running livebg from outside: its sockets, its commands, what it tells of itself, and what it remembers."""
