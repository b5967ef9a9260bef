"""One module a measured system, all with the interface of `adapters.base`."""
