"""Volumes: what files they hold (pure), and how those get onto the node."""
