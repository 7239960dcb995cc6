"""What runs in the guest: the agent and small programs, of the standard library alone but for ``livebg`` itself."""
