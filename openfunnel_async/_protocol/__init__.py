"""What OpenFunnel says and what it means: requests, replies, what may be repeated."""
