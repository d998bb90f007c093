"""One command a module, each with a click command called `command`."""
