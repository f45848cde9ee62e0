//! Five text reports as reviewed files. `JDL_WRITE_SNAPSHOTS=1` writes them anew; read the difference before committing.

use std::fs;

use jdl_core::report::check::check;
use jdl_core::report::{StoredResult, to_text};

use crate::report_cases::{NAMES, case, data};

#[test]
fn the_text_of_each_reviewed_case_is_as_reviewed() {
    for name in NAMES {
        let text = to_text(&case(name)) + "\n";
        let file = data(&format!("{name}.txt"));
        if std::env::var_os("JDL_WRITE_SNAPSHOTS").is_some() {
            fs::write(&file, &text).unwrap();
        }
        let reviewed = fs::read_to_string(&file).unwrap();
        for (number, (got, want)) in text.lines().zip(reviewed.lines()).enumerate() {
            assert_eq!(got, want, "{name}, line {}", number + 1);
        }
        assert_eq!(text.lines().count(), reviewed.lines().count(), "{name}");
    }
}

#[test]
fn each_reviewed_case_agrees_with_itself_and_survives_json() {
    for name in NAMES {
        let stored = case(name);
        check(&stored).unwrap();
        let again: StoredResult = serde_json::from_str(&serde_json::to_string(&stored).unwrap()).unwrap();
        assert_eq!(again, stored);
    }
}

#[test]
fn no_line_is_wider_than_psql_has_room_for() {
    for name in NAMES {
        for line in to_text(&case(name)).lines() {
            assert!(line.chars().count() <= 78, "{name}: {line}");
        }
    }
}
