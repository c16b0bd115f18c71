"""Files that are not on this machine: objects of a bucket and of web servers, reached through fsspec."""
