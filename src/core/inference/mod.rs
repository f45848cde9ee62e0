//! Rates, means, counts, survival; intervals, tests, adjustment, power, sensitivity.
