"""Where tasks run: in this process, in other processes of this machine, on a Dask cluster."""
