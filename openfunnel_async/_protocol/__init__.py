"""The protocol of OpenFunnel: requests, replies, and what may be repeated."""
