"""All that a sceptic needs to check a proof: files, statements, reference strings, each backend's check."""
