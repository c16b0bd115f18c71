"""Archives, read without unpacking."""
