//! The comparison group: design matrix, propensity, distance, nearest, radius, balance.
