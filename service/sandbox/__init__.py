"""Working on what strangers have sent, in confined processes; the functions that run there are here too."""
