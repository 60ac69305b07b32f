"""Test vectors of the file format, and the slow, plain codec that defines them."""
