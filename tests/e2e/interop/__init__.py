"""Other people's mail servers and clients on both sides of gatepost: see tests/interop."""
