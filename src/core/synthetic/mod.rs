//! A made-up register and made-up cohorts for training, demonstration and tests; every value from a seed.
