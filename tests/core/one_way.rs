//! Data runs one way: a stage of the core uses only stages to its left.

#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use std::fs;
use std::path::{Path, PathBuf};

/// The stages in flow order. A stage may name only itself and what stands before it.
const FLOW: [&str; 11] = [
    "error",
    "number",
    "calendar",
    "identity",
    "synthetic",
    "linkage",
    "matching",
    "outcomes",
    "inference",
    "disclosure",
    "report",
];

fn rust_files(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            rust_files(&entry.unwrap().path(), found);
        }
    } else if path.extension().is_some_and(|e| e == "rs") {
        found.push(path.to_owned());
    }
}

#[test]
fn a_stage_uses_only_stages_to_its_left() {
    let core = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for (position, stage) in FLOW.iter().enumerate() {
        let mut files = Vec::new();
        let folder = core.join(stage);
        rust_files(&if folder.is_dir() { folder } else { core.join(format!("{stage}.rs")) }, &mut files);
        assert!(!files.is_empty(), "{stage} has no source");
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            let code: String =
                text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
            for later in &FLOW[position + 1..] {
                for spelling in [format!("crate::{later}"), format!("jdl_core::{later}")] {
                    assert!(!code.contains(&spelling), "{} uses the later stage {later}", file.display());
                }
            }
            assert!(
                !code.contains("crate::{"),
                "{}: import stages one by one, so that this test can read them",
                file.display()
            );
            seen += 1;
        }
    }
    assert!(seen >= FLOW.len());
}
