"""The running livebg: sockets, commands, status and saved choices."""
