"""How long tests wait for what is going to be so: as long as it may take on a machine that does much else."""

PATIENCE = 180.0
"""In seconds. It bounds a wait and checks nothing."""
