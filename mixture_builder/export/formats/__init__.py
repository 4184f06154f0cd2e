"""One module a target; each holds `TARGET`. See `mixture_builder.export.targets`."""
