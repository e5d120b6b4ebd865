"""HTTP/1.1 over asyncio, below all parts: a server whose handlers may take the connection, and a client."""
