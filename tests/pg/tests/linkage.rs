//! Linkage of a corrupted cohort (typing errors, nicknames, swapped names and dates, missing PNC ids, people who are not on
//! the register) against a made-up register of 50,000, compared with the truth.

use std::collections::BTreeMap;

use jdl_surface::{Lab, cell, refusal};
use postgres::Row;

const FIELDS: [&str; 11] = [
    "forename",
    "surname",
    "date_of_birth",
    "gender",
    "postcode",
    "pnc_id",
    "prison_number",
    "sentence_start",
    "sentence_end",
    "intervention_start",
    "intervention_end",
];

/// Makes the register, loads the corrupted cohort into a request of ann's, and returns the request and the truth.
fn corrupted_cohort(lab: &Lab) -> (i64, Vec<Row>) {
    lab.connect("dan").batch_execute("SELECT jdl_synthesise_register(50000, 1)").unwrap();
    let truth = lab.admin().query("SELECT * FROM _jdl_synthetic_truth(2000, 7)", &[]).unwrap();
    let mut list = FIELDS.join(",") + "\n";
    for row in &truth {
        let cells: Vec<String> = FIELDS.iter().map(|field| cell(row.get(*field))).collect();
        list += &(cells.join(",") + "\n");
    }
    let request = lab.open("{}");
    assert_eq!(lab.load(request, &list).unwrap(), 2_000);
    lab.assign("ann", request);
    (request, truth)
}

type Link = (i32, Option<i64>, String, Option<String>, Option<f64>, Option<f64>);

fn links(lab: &Lab, request: i64) -> Vec<Link> {
    let sql = "SELECT record_no, person_id, status, reason, match_weight, match_probability
               FROM jdl_restricted.link WHERE request_id = $1 ORDER BY record_no";
    lab.admin()
        .query(sql, &[&request])
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4), row.get(5)))
        .collect()
}

#[test]
fn a_corrupted_cohort_is_linked_precisely_and_the_same_everywhere() {
    let lab = Lab::new("linkage");
    let (request, truth) = corrupted_cohort(&lab);
    let mut ann = lab.connect("ann");
    let summary = |ann: &mut postgres::Client, lab_request: i64| -> (i32, i32, i32, i32, f64, f64) {
        let row = ann.query_one("SELECT * FROM jdl_link($1)", &[&lab_request]).unwrap();
        (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4), row.get(5))
    };
    let first = summary(&mut ann, request);
    let found = links(&lab, request);
    assert_eq!(found.len(), truth.len());

    let (mut linked, mut right, mut present, mut to_absent, mut to_decoy) = (0, 0, 0, 0, 0);
    // Of the people on the register, by what was done to their record: how many, and how many were found.
    let mut by_tag: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    for (row, (record_no, person, status, ..)) in truth.iter().zip(&found) {
        assert!((1..=2_000).contains(record_no));
        let (is, resembles): (Option<i64>, Option<i64>) = (row.get("person_id"), row.get("decoy_id"));
        let link = person.filter(|_| status == "linked");
        let hit = link.is_some() && link == is;
        present += u32::from(is.is_some());
        linked += u32::from(link.is_some());
        right += u32::from(hit);
        to_absent += u32::from(link.is_some() && is.is_none());
        to_decoy += u32::from(link.is_some() && link == resembles);
        if is.is_some() {
            let mut tags: Vec<String> = row.get("tags");
            if tags.is_empty() {
                tags.push("untouched".to_owned());
            }
            for tag in tags {
                let (all, hits) = by_tag.entry(tag).or_default();
                *all += 1;
                *hits += u32::from(hit);
            }
        }
    }
    let (precision, recall) = (f64::from(right) / f64::from(linked), f64::from(right) / f64::from(present));
    println!("linkage: precision {precision:.4} ({right} of {linked}), recall {recall:.4} ({right} of {present})");
    println!("linkage: {to_absent} of {} absent people were linked, {to_decoy} to their decoy", 2_000 - present);
    for (tag, (all, hits)) in &by_tag {
        println!("linkage:   {tag:<24} {hits:>5} of {all:>5}  {:.3}", f64::from(*hits) / f64::from(*all));
    }
    assert!(precision >= 0.99, "precision {precision}");
    assert!(recall >= 0.90, "recall {recall}");
    assert!((1..2_000).contains(&present), "some are on the register and some are not");

    let of_status = |status: &str| found.iter().filter(|link| link.2 == status).count() as i32;
    assert_eq!(
        (first.0, first.1, first.2, first.3),
        (2_000, of_status("linked"), of_status("suspect"), of_status("unlinked"))
    );
    assert!(first.5 < 0.01 * f64::from(first.1), "the expected false links, {}, contradict the precision", first.5);
    let mut persons: Vec<i64> = found.iter().filter(|link| link.2 == "linked").filter_map(|link| link.1).collect();
    persons.sort_unstable();
    assert!(persons.windows(2).all(|pair| pair[0] != pair[1]), "one person, one record");

    // Asked again it answers the same and changes nothing; asked with other options it refuses.
    assert_eq!(summary(&mut ann, request), first);
    assert_eq!(links(&lab, request), found);
    let (state, message) =
        refusal(&mut ann, &format!("SELECT * FROM jdl_link({request}, '{{\"link_probability\": 0.9}}')"));
    assert_eq!(state, "55000", "{message}");
    assert!(message.contains("already linked"), "{message}");
    assert_eq!(links(&lab, request), found);

    // In another database, from the same seeds, to the last digit.
    let other = Lab::new("linkage_again");
    let (again, _) = corrupted_cohort(&other);
    assert_eq!(summary(&mut other.connect("ann"), again), first);
    assert_eq!(links(&other, again), found);
}
