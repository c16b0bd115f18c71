"""Rapid loops: a head is chosen on a page, fitted at once on cached rows, looked at, and photographs are relabelled."""
