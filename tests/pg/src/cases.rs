//! Attacks as text: each case is a script for psql, run over a connection of its own as the person whom it names.
//!
//! `## id | as | must | what`, then SQL. must: `error:SQLSTATE,...`, `zero` (no error; nothing but 0, f or nothing comes back), `out:TEXT`
//! (comes back), `only:PREFIX` (every line begins so), `without:A,B` (no error, and neither in the output). In every case but `control` and
//! `residual` (part of the text) the word CANARY in any output fails it. Lines `setup:` and `undo:` run as postgres.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::{Lab, one};

impl Lab {
    /// Runs the first blocks of SQL of a page, in which this database is called `lab`: what the page asks a site to run.
    pub fn harden(&self, page: &str, blocks: usize) {
        for block in page.split("```sql\n").skip(1).take(blocks) {
            let statements = block.split("```").next().expect("a block of SQL ends");
            let statements = statements.replace("DATABASE lab ", &format!("DATABASE {} ", self.database));
            self.admin().batch_execute(&statements).unwrap();
        }
    }
}

/// Runs every case; returns how many there were, and what fell.
pub fn run_cases(lab: &Lab, cases: &str) -> (usize, Vec<String>) {
    let (mut tried, mut fallen) = (0, Vec::new());
    let pgaudit: bool = one(&mut lab.admin(), "SELECT current_setting('shared_preload_libraries') ~ 'pgaudit'");
    for case in cases.split("\n## ").skip(1) {
        let (head, body) = case.split_once('\n').unwrap();
        let parts: Vec<&str> = head.split(" | ").collect();
        // A demand may itself hold a bar: `out:t|0`.
        let (id, person, must, what) =
            (parts[0], parts[1], parts[2..parts.len() - 1].join(" | "), parts[parts.len() - 1]);
        let must = must.trim_end();
        if what.starts_with("pgaudit") && !pgaudit {
            println!("attacks: {id} is left out: this server has no pgaudit");
            continue;
        }
        let lines = |mark: &str| -> String {
            body.lines().filter_map(|line| line.strip_prefix(mark)).collect::<Vec<_>>().join("\n")
        };
        let script: String = body
            .lines()
            .filter(|line| !line.starts_with("setup:") && !line.starts_with("undo:") && !line.starts_with('#'))
            .map(|line| format!("{line}\n"))
            .collect();
        let arranged = psql(lab, "postgres", &lines("setup: ")).1;
        assert!(!arranged.contains("ERROR"), "{id}: {arranged}");
        let (out, all) = psql(lab, person, &script);
        let tidied = psql(lab, "postgres", &lines("undo: ")).1;
        assert!(!tidied.contains("ERROR"), "{id}: {tidied}");
        if let Some(why) = complaint(must, what, &out, &all) {
            fallen.push(format!("{id} as {person} ({what}) {why}: wanted {must}, got: {all}"));
        }
        tried += 1;
    }
    (tried, fallen)
}

/// What psql says to a script: standard output, and everything together.
fn psql(lab: &Lab, person: &str, script: &str) -> (String, String) {
    let mut psql = Command::new("psql")
        .args(["-X", "-q", "-At", "-U", person, "-d", &lab.database, "-v", "VERBOSITY=verbose", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("psql is on the path of scripts/with-cluster");
    psql.stdin.take().expect("its input").write_all(script.as_bytes()).unwrap();
    let said = psql.wait_with_output().unwrap();
    let out = String::from_utf8_lossy(&said.stdout).into_owned();
    let all = format!("{out}{}", String::from_utf8_lossy(&said.stderr));
    (out, all)
}

/// What is wrong with the outcome of a case, if anything is.
fn complaint(must: &str, what: &str, out: &str, all: &str) -> Option<String> {
    if all.contains("CANARY") && !what.starts_with("control") && !what.starts_with("residual") {
        return Some("the canary sings".to_owned());
    }
    let (kind, argument) = must.split_once(':').unwrap_or((must, ""));
    let error = all.contains("ERROR: ") || all.contains("FATAL: ");
    let held = match kind {
        "error" => argument
            .split(',')
            .any(|s| all.contains(&format!("ERROR:  {s}:")) || all.contains(&format!("WARNING:  {s}:"))),
        "zero" => !error && out.lines().all(|line| ["", "0", "f"].contains(&line)),
        "out" => !error && out.contains(argument),
        "only" => !error && !out.is_empty() && out.lines().all(|line| line.starts_with(argument)),
        "without" => !error && !all.trim().is_empty() && argument.split(',').all(|text| !all.contains(text)),
        _ => return Some(format!("unknown demand {must}")),
    };
    (!held).then(|| "must not be".to_owned())
}
