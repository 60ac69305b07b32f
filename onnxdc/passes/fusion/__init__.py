"""Fuse what comes after a sparse operator into it, and take it apart again."""
