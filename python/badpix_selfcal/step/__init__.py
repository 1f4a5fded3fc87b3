"""From inputs to outputs: one association, a pool of exposures, in this process or on a cluster."""
