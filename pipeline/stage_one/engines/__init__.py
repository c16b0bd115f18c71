"""What runs the trunk, and which engine to take."""
