"""What the end-to-end tests stand on: daemons, peers and waiting. One thing a module."""
