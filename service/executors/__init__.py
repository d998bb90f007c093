"""Where jobs are done, other than by workers that are started by hand."""
