"""Other name servers: connections to them, which of them to ask, and what they said, kept for its lifetime."""
