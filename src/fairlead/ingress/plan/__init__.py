"""What nginx shall serve, from API objects. Pure."""
