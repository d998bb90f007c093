"""The GPU code, run on a CPU."""
