"""Programs for the guest: the agent and small tools, which need only the standard library and ``livebg`` itself."""
