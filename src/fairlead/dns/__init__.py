"""Cluster DNS: wire (bytes and messages), zone (questions to answers), server (sockets), part (API client)."""
