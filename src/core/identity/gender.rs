//! Gender as providers write it.

/// Gender as the Police National Computer records it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Gender {
    /// Male.
    Male,
    /// Female.
    Female,
    /// Stated to be unknown or not recorded, or left empty.
    Unknown,
}

impl Gender {
    /// `M`, `F` or `U`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Male => "M",
            Self::Female => "F",
            Self::Unknown => "U",
        }
    }
}

/// Reads M, F, male, female, man, woman, boy, girl, and the codes 1 (male), 2 (female), 0 and 9 (unknown) of ISO 5218, in any case;
/// `None` for what is none of these.
///
/// ```
/// use jdl_core::identity::gender::{Gender, parse};
/// assert_eq!(parse(" female"), Some(Gender::Female));
/// assert_eq!(parse("1"), Some(Gender::Male));
/// assert_eq!(parse(""), Some(Gender::Unknown));
/// assert_eq!(parse("yes"), None);
/// ```
pub fn parse(text: &str) -> Option<Gender> {
    let text = text.trim().trim_end_matches('.').to_ascii_lowercase();
    match text.as_str() {
        "m" | "male" | "man" | "boy" | "1" => Some(Gender::Male),
        "f" | "female" | "woman" | "girl" | "2" => Some(Gender::Female),
        "" | "u" | "unknown" | "not known" | "not stated" | "not recorded" | "not specified" | "nk" | "n/k" | "ns"
        | "x" | "0" | "9" => Some(Gender::Unknown),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_space_and_full_stop_do_not_matter() {
        assert_eq!(parse("MALE"), Some(Gender::Male));
        assert_eq!(parse(" f. "), Some(Gender::Female));
        assert_eq!(parse("Not Known"), Some(Gender::Unknown));
        for gender in [Gender::Male, Gender::Female, Gender::Unknown] {
            assert_eq!(parse(gender.as_str()), Some(gender));
        }
    }
}
