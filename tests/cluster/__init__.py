"""A real Dask cluster of the loopback address: its scheduler and two workers are processes that can be killed."""
