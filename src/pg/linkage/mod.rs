//! Linkage: which person of the register is each submission? Training of the model, and why a link got its weight.

mod build;
mod search;
mod shelf;

use jdl_core::calendar::Day;
use jdl_core::identity::record::{Severity, SubmittedRecord, SubmittedText, validate_read};
use jdl_core::linkage::{
    BlockPolicy, Evidence, LinkInput, LinkOptions, LinkOutcome, Model, Override, RegisterPerson, Screen,
    StandardSubmission, Status, SubmittedPerson, TermFrequencies, Thresholds, TrainingOptions, compare_pair, link,
    train, waterfall,
};
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use rayon::prelude::*;
use serde::Deserialize;

use super::error::{invalid, missing, report, spi};
use super::read::{day, heartbeat, pnc_pivot, submissions};

/// What `jdl_link` and `jdl_train_linkage` can be told. The workflow's functions fill in the settings.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    link_probability: f64,
    suspect_probability: f64,
    max_block_size: usize,
    model: Model,
    train: bool,
    overrides: Vec<RecordOverride>,
}

impl Default for Options {
    fn default() -> Self {
        let LinkOptions { thresholds, .. } = LinkOptions::default();
        Self {
            link_probability: thresholds.link,
            suspect_probability: thresholds.suspect,
            max_block_size: BlockPolicy::default().max_block,
            model: Model::default(),
            train: true,
            overrides: Vec::new(),
        }
    }
}

/// An approver's decision, by record number.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordOverride {
    record_no: i32,
    person_id: i64,
    force: jdl_core::linkage::Force,
}

impl Options {
    fn read(options: JsonB) -> Result<Self, ErrorReport> {
        // One by one, so that the message names the option.
        for name in ["link_probability", "suspect_probability", "max_block_size"] {
            if options.0.get(name).is_some_and(|value| !value.is_number()) {
                return Err(invalid(name, "must be a number"));
            }
        }
        if options.0.get("train").is_some_and(|value| !value.is_boolean()) {
            return Err(invalid("train", "must be true or false"));
        }
        if options.0.get("max_block_size").is_some_and(|value| !matches!(value.as_u64(), Some(1..=100_000))) {
            return Err(invalid("max_block_size", "must be a whole number between 1 and 100000"));
        }
        let options: Self = serde_json::from_value(options.0)
            .map_err(|_| invalid("model", "is not a linkage model of this version; train it again"))?;
        options.thresholds().check().map_err(report)?;
        Ok(options)
    }

    fn thresholds(&self) -> Thresholds {
        Thresholds { link: self.link_probability, suspect: self.suspect_probability, ..Thresholds::default() }
    }

    fn policy(&self) -> BlockPolicy {
        let default = BlockPolicy::default();
        BlockPolicy {
            max_block: self.max_block_size,
            max_last_resort: default.max_last_resort.max(self.max_block_size),
        }
    }
}

/// The submissions of a request, as they were read and standardised.
struct Cohort {
    record_numbers: Vec<i32>,
    texts: Vec<SubmittedText>,
    records: Vec<SubmittedRecord>,
    people: Vec<StandardSubmission>,
}

impl Cohort {
    fn read(request_id: i64) -> Result<Self, ErrorReport> {
        let (record_numbers, texts) = submissions(request_id)?;
        let (institutions, pivot) = (build::institutions()?, pnc_pivot()?);
        let records: Vec<SubmittedRecord> = texts.par_iter().map(|text| SubmittedRecord::read(text, pivot)).collect();
        let people = records.par_iter().map(|record| StandardSubmission::new(record, &institutions)).collect();
        Ok(Self { record_numbers, texts, records, people })
    }

    /// How many records are of use: without an error, or found in spite of it.
    fn valid(&self, outcome: &LinkOutcome, today: Day) -> usize {
        let findings = validate_read(&self.record_numbers, &self.texts, &self.records, today);
        let mut faulty: Vec<usize> = findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .filter_map(|finding| self.record_numbers.binary_search(&finding.record_no?).ok())
            .filter(|&at| outcome.records[at].status == Status::Unlinked)
            .collect();
        faulty.sort_unstable();
        faulty.dedup();
        self.people.len() - faulty.len()
    }

    fn submitted(&self) -> Vec<SubmittedPerson<'_>> {
        self.people.iter().map(StandardSubmission::record).collect()
    }
}

/// The candidates that can matter to some submissions, and the register's counts of their values.
struct Candidates {
    frequencies: TermFrequencies,
    screened: search::Screened,
}

impl Candidates {
    fn find(submitted: &[SubmittedPerson<'_>], model: &Model, policy: BlockPolicy) -> Result<Self, ErrorReport> {
        let frequencies = search::term_frequencies(submitted)?;
        let pairs = search::candidates(submitted, policy)?;
        let screen = Screen::new(submitted, &frequencies, model).map_err(report)?;
        let screened = search::screened_records(&pairs, |submission, person| screen.evidence(submission, person))?;
        Ok(Self { frequencies, screened })
    }

    /// The register persons, and for each of so many submissions its candidates among them.
    fn register(&self, submissions: usize) -> Result<Register<'_>, ErrorReport> {
        let persons = self.screened.records.iter().map(|kept| RegisterPerson::from_bytes(&kept.record));
        let mut register = Register {
            persons: persons.collect::<jdl_core::Result<_>>().map_err(report)?,
            candidates: vec![Vec::new(); submissions],
            evidence: vec![Vec::new(); submissions],
        };
        for (at, kept) in self.screened.records.iter().enumerate() {
            for &(s, evidence) in &kept.submissions {
                register.candidates[s as usize].push(at as u32);
                register.evidence[s as usize].push(evidence);
            }
        }
        Ok(register)
    }

    fn input<'a>(&'a self, submissions: &'a [SubmittedPerson<'a>], register: &'a Register<'a>) -> LinkInput<'a> {
        LinkInput {
            submissions,
            register: &register.persons,
            candidates: &register.candidates,
            evidence: Some(&register.evidence),
            frequencies: &self.frequencies,
        }
    }
}

/// The persons that came up as candidates, and for each submission which of them (by position), with the evidence.
struct Register<'a> {
    persons: Vec<RegisterPerson<'a>>,
    candidates: Vec<Vec<u32>>,
    evidence: Vec<Vec<Evidence>>,
}

/// The shipped model.
#[pg_extern(immutable, parallel_safe, name = "_jdl_default_linkage_model")]
fn default_model() -> Result<JsonB, ErrorReport> {
    to_json(&Model::default())
}

/// Refuses options that `_jdl_link` would refuse, before anything is done.
#[pg_extern(name = "_jdl_check_link_options")]
fn check_options(options: JsonB) -> Result<(), ErrorReport> {
    Options::read(options).map(|_| ())
}

fn to_json(value: &impl serde::Serialize) -> Result<JsonB, ErrorReport> {
    serde_json::to_value(value).map(JsonB).map_err(|_| missing("a result of linkage"))
}

/// Links the submissions of a request and returns the counts; `today` decides what lies in the future.
#[pg_extern(name = "_jdl_link")]
fn link_request(request_id: i64, options: JsonB, today: Date) -> Result<JsonB, ErrorReport> {
    let options = Options::read(options)?;
    let cohort = Cohort::read(request_id)?;
    let submitted = cohort.submitted();
    let training = options.train.then(TrainingOptions::one_cohort);
    let mut link_options = LinkOptions { thresholds: options.thresholds(), overrides: Vec::new(), training };
    for forced in &options.overrides {
        let submission = cohort
            .record_numbers
            .binary_search(&forced.record_no)
            .map_err(|_| invalid("record_no", "is not a record of this request"))?;
        link_options.overrides.push(Override { submission, person_id: forced.person_id, force: forced.force });
    }

    let found = Candidates::find(&submitted, &options.model, options.policy())?;
    let register = found.register(submitted.len())?;
    let input = found.input(&submitted, &register);
    let outcome = link(&input, &options.model, &link_options, &heartbeat).map_err(report)?;
    write_links(request_id, &cohort.record_numbers, &outcome)?;
    let mut summary = to_json(&outcome.summary)?;
    summary.0["candidates"] = found.screened.read.into();
    summary.0["valid"] = cohort.valid(&outcome, day(today)).into();
    if let Some(training) = &outcome.training {
        summary.0["training"] = to_json(training)?.0;
        summary.0["model"] = to_json(&outcome.model)?.0;
    }
    Ok(summary)
}

/// Re-estimates a model from the submissions of these requests: the model and what the training saw.
#[pg_extern(name = "_jdl_train_linkage")]
fn train_linkage(request_ids: Vec<i64>, model: JsonB, training: JsonB) -> Result<JsonB, ErrorReport> {
    let model: Model = serde_json::from_value(model.0)
        .map_err(|_| invalid("model", "is not a linkage model of this version; train it again"))?;
    let training: TrainingOptions = serde_json::from_value(training.0)
        .map_err(|_| invalid("options", "prior_pairs, tolerance and max_iterations must be numbers"))?;
    let cohorts = request_ids.into_iter().map(Cohort::read).collect::<Result<Vec<_>, _>>()?;
    let submitted: Vec<SubmittedPerson<'_>> = cohorts.iter().flat_map(Cohort::submitted).collect();
    let found = Candidates::find(&submitted, &model, BlockPolicy::default())?;
    let register = found.register(submitted.len())?;
    let input = found.input(&submitted, &register);
    let (model, record) = train(&input, &model, &training, &heartbeat).map_err(report)?;
    Ok(JsonB(serde_json::json!({ "model": to_json(&model)?.0, "training": to_json(&record)?.0 })))
}

/// Why a submission and a person of the register got their match weight: Splink's waterfall, in levels, never in values.
#[pg_extern(name = "_jdl_explain_link")]
fn explain_link(
    request_id: i64,
    record_no: i32,
    person_id: i64,
    model: JsonB,
) -> Result<
    TableIterator<'static, (name!(comparison, String), name!(level, String), name!(match_weight, f64))>,
    ErrorReport,
> {
    let model: Model = serde_json::from_value(model.0)
        .map_err(|_| invalid("model", "is not a linkage model of this version; train it again"))?;
    let cohort = Cohort::read(request_id)?;
    let at = cohort
        .record_numbers
        .binary_search(&record_no)
        .map_err(|_| invalid("record_no", "is not a record of this request"))?;
    let submitted = [cohort.people[at].record()];
    let frequencies = search::term_frequencies(&submitted)?;
    let screened = search::screened_records(&[(person_id, 0)], |_, _| Some(Evidence::NONE))?;
    let kept = screened.records.first().ok_or_else(|| missing("the register's record of that person"))?;
    let person = RegisterPerson::from_bytes(&kept.record).map_err(report)?;
    let evidence = compare_pair(&submitted[0], &person, &model, &frequencies).map_err(report)?;
    let bars = waterfall(&model.check().map_err(report)?, &evidence, frequencies.persons);
    let rows: Vec<_> =
        bars.into_iter().map(|bar| (bar.comparison.to_owned(), bar.level.to_owned(), bar.match_weight)).collect();
    Ok(TableIterator::new(rows))
}

fn write_links(request_id: i64, record_numbers: &[i32], outcome: &LinkOutcome) -> Result<(), ErrorReport> {
    let records = &outcome.records;
    Spi::run_with_args(
        "INSERT INTO jdl_restricted.link (request_id, record_no, person_id, status, reason, match_weight, match_probability)
         SELECT $1, l.* FROM unnest($2::integer[], $3::bigint[], $4::text[], $5::text[], $6::float8[], $7::float8[]) AS l",
        &[
            request_id.into(),
            record_numbers.to_vec().into(),
            records.iter().map(|r| r.person_id).collect::<Vec<_>>().into(),
            records.iter().map(|r| r.status.name().to_owned()).collect::<Vec<_>>().into(),
            records.iter().map(|r| r.reason.map(|reason| reason.name().to_owned())).collect::<Vec<_>>().into(),
            records.iter().map(|r| r.match_weight).collect::<Vec<_>>().into(),
            records.iter().map(|r| r.match_probability).collect::<Vec<_>>().into(),
        ],
    )
    .map_err(spi)
}
