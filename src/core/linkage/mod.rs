//! Which register person is a submission? Comparison levels, match weights, EM, candidate posterior, decision.
