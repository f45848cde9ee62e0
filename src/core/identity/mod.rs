//! PNC id, prison number, CRO, postcode, names, dates: parse, normalise, check.
