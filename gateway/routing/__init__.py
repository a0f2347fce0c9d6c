"""Which deployments to try, in which order. Pure: a snapshot in, a plan out."""
