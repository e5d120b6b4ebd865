"""nginx as the data plane: its one static configuration, and the data it is told while it runs."""
