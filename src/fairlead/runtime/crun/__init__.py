"""Containers by crun(1), on bundles that we write: no daemon, nothing resident but the container."""
