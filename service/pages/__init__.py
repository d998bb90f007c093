"""The service's web pages: rendered here, with htmx where there is JavaScript, and complete without it."""
