"""Streams: stepwise EM, components that are born and die, drift, and models that are merged."""
