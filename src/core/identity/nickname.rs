//! Which forenames may belong to one person: nicknames, short forms, spellings.
//!
//! The table (`nicknames.txt`) was written for this project: English, Irish and Welsh short forms, and spelling
//! variants of frequent Muslim, South Asian, African and Eastern European names. A name may stand in several groups
//! (Alex: Alexander, Alexandra), so sharing a group is evidence and no equality: it is not transitive.

use std::collections::HashMap;
use std::sync::LazyLock;

const TABLE: &str = include_str!("nicknames.txt");

/// The groups of each name, ascending; the first is the one the name is most at home in.
static GROUPS: LazyLock<HashMap<&'static str, Vec<u16>>> = LazyLock::new(|| {
    let mut groups: HashMap<&'static str, Vec<u16>> = HashMap::new();
    for (number, line) in (0..).zip(lines()) {
        for (position, name) in line.split(' ').enumerate() {
            let of_name = groups.entry(name).or_default();
            if position == 0 {
                // A full form belongs to its own group first, wherever else it is mentioned.
                of_name.retain(|group| *group != number);
                of_name.insert(0, number);
            } else if !of_name.contains(&number) {
                of_name.push(number);
            }
        }
    }
    groups
});

fn lines() -> impl Iterator<Item = &'static str> {
    TABLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty())
}

/// The numbers of the groups that a standard forename (ASCII capitals, one part) belongs to, its own first; empty for an unlisted name.
pub fn groups(name: &str) -> &'static [u16] {
    GROUPS.get(name).map_or(&[], Vec::as_slice)
}

/// The group in which a standard forename is most at home: its own where it is a full form, else the first that lists it.
///
/// ```
/// use jdl_core::identity::nickname::nickname_group;
/// assert_eq!(nickname_group("BOB"), nickname_group("ROBERT"));
/// assert_eq!(nickname_group("ZEBEDEE"), None);
/// ```
pub fn nickname_group(name: &str) -> Option<u16> {
    groups(name).first().copied()
}

/// May two standard forenames belong to one person? Equal names do; others do if some group lists both.
///
/// ```
/// use jdl_core::identity::nickname::same_nickname_group;
/// assert!(same_nickname_group("BILL", "WILLIAM"));
/// assert!(same_nickname_group("MOHAMMED", "MUHAMMAD"));
/// assert!(!same_nickname_group("BILL", "ROBERT"));
/// ```
pub fn same_nickname_group(a: &str, b: &str) -> bool {
    a == b || {
        let others = groups(b);
        groups(a).iter().any(|group| others.contains(group))
    }
}

/// The other names that a standard forename may stand for, each once, in the order of the table.
pub fn variants(name: &str) -> Vec<&'static str> {
    let mut found = Vec::new();
    for group in groups(name) {
        for other in LINES.get(usize::from(*group)).copied().unwrap_or_default().split(' ') {
            if other != name && !found.contains(&other) {
                found.push(other);
            }
        }
    }
    found
}

static LINES: LazyLock<Vec<&'static str>> = LazyLock::new(|| lines().collect());

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::name::standardise;

    #[test]
    fn the_table_is_large_and_in_standard_form() {
        assert!(lines().count() >= 250, "{}", lines().count());
        for line in lines() {
            let names: Vec<&str> = line.split(' ').collect();
            assert!(names.len() >= 2, "{line}");
            assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), names.len(), "{line}");
            for name in names {
                assert_eq!(standardise(name).text, name, "in the group of {line}");
            }
        }
    }

    #[test]
    fn a_full_form_leads_one_group_only() {
        let mut seen = std::collections::BTreeSet::new();
        for line in lines() {
            let full = line.split(' ').next().unwrap();
            assert!(seen.insert(full), "{full} leads two groups");
        }
    }

    #[test]
    fn known_pairs_are_found_and_strangers_are_not() {
        for (a, b) in [
            ("BOB", "ROBERT"),
            ("PEGGY", "MARGARET"),
            ("DAZ", "DARREN"),
            ("JACK", "JOHN"),
            ("ALEX", "ALEXANDRA"),
            ("ALEX", "ALEXANDER"),
            ("MOHAMMED", "MUHAMMAD"),
            ("YUSUF", "YOUSEF"),
            ("KUBA", "JAKUB"),
            ("STE", "STEPHEN"),
            ("STEVEN", "STEPHEN"),
            ("BILL", "LIAM"),
        ] {
            assert!(same_nickname_group(a, b) && same_nickname_group(b, a), "{a} {b}");
            assert!(variants(a).contains(&b), "{a} {b}");
        }
        for (a, b) in [("JOHN", "ROBERT"), ("ALEXANDER", "ALISON"), ("MARY", "SUSAN"), ("", "JOHN"), ("QWERTY", "JOHN")]
        {
            assert!(!same_nickname_group(a, b), "{a} {b}");
        }
    }

    #[test]
    fn the_home_of_a_name_is_the_group_it_leads() {
        for line in lines() {
            let full = line.split(' ').next().unwrap();
            let home = usize::from(nickname_group(full).unwrap());
            assert_eq!(LINES[home], line);
        }
    }
}
