//! Frequency tables that give nobody away: primary, secondary, rounding, attacker's audit, differencing.
