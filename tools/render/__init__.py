"""Procedural night-street renderer: everything is drawn from code, no third-party picture."""
