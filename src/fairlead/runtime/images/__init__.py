"""Images: their names, their store, and the ways into it."""
