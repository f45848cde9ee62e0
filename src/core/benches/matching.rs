//! How long score, matches and balance take, and how near one iteration of the regression is to merely reading the columns.
//!
//! `cargo bench -p jdl-core --bench matching`; `JDL_BENCH_ROWS` (default 20,000; about 1 in 100 is treated) and `JDL_BENCH_COLUMNS` (20) set the size,
//! `RAYON_NUM_THREADS` the threads. `JDL_BENCH_CSV` names a file to take the rows from instead: treated as 0 or 1, then the columns, no header.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark may fail loudly")]

use std::time::Instant;

use jdl_core::matching::{Cell, Frame, FrameBuilder, Kind, MatchOptions, match_controls, propensity};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Half of the columns are continuous, half flags; all push towards treatment a little. `separated`: nobody treated has the first flag.
fn frame(rows: usize, columns: usize, separated: bool) -> Frame {
    let names: Vec<String> = (0..columns).map(|column| format!("x{column}")).collect();
    let kinds: Vec<(&str, Kind)> = names.iter().map(|name| (name.as_str(), Kind::Numeric)).collect();
    let mut builder = FrameBuilder::new(&kinds).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut cells = vec![Cell::Missing; columns];
    for id in 0..rows as i64 {
        let mut logit = -6.2;
        for (column, cell) in cells.iter_mut().enumerate() {
            let value = if column % 2 == 0 {
                2.0 * (0..3).map(|_| random.random::<f64>()).sum::<f64>() - 3.0
            } else {
                f64::from(random.random::<f64>() < 0.3)
            };
            logit += 6.0 / columns as f64 * value;
            *cell = Cell::Number(value);
        }
        let treated = random.random::<f64>() < 1.0 / (1.0 + f64::exp(-logit));
        builder.push_row(id, treated && !(separated && cells[1] == Cell::Number(1.0)), &cells).unwrap();
    }
    builder.finish().unwrap()
}

/// The rows of a file of numbers, treated first.
fn read(path: &str) -> Frame {
    let text = std::fs::read_to_string(path).unwrap();
    let columns = text.lines().next().unwrap().split(',').count() - 1;
    let names: Vec<String> = (1..=columns).map(|column| format!("x{column}")).collect();
    let kinds: Vec<(&str, Kind)> = names.iter().map(|name| (name.as_str(), Kind::Numeric)).collect();
    let mut builder = FrameBuilder::new(&kinds).unwrap();
    for (id, line) in (1..).zip(text.lines()) {
        let mut fields = line.split(',').map(|field| field.parse::<f64>().unwrap());
        let treated = fields.next().unwrap() > 0.0;
        let cells: Vec<Cell<'_>> = fields.map(Cell::Number).collect();
        builder.push_row(id, treated, &cells).unwrap();
    }
    builder.finish().unwrap()
}

/// CPU seconds of this process so far, all threads, in hundredths (Linux): a busy machine stretches the clock, not these.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn seconds<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed().as_secs_f64(), result)
}

fn main() {
    let (rows, columns) = (setting("JDL_BENCH_ROWS", 20_000), setting("JDL_BENCH_COLUMNS", 20));
    let file = std::env::var("JDL_BENCH_CSV");
    let (made, frame) = seconds(|| file.map_or_else(|_| frame(rows, columns, false), |path| read(&path)));
    println!(
        "{} rows x {} columns, {} treated, {} MB: made in {made:.2} s",
        frame.len(),
        frame.names().count(),
        frame.treated_count(),
        frame.bytes() >> 20
    );
    // Reading as many bytes as the columns hold, once, on one thread.
    let plain = vec![1.0_f64; frame.bytes() / 8];
    let sum = || {
        let mut lanes = [0.0; 8];
        for values in std::hint::black_box(&plain).as_chunks::<8>().0 {
            lanes.iter_mut().zip(values).for_each(|(lane, value)| *lane += value);
        }
        std::hint::black_box(lanes)
    };
    let read = (0..5).map(|_| seconds(sum).0).fold(f64::INFINITY, f64::min);
    println!("one reading of the columns: {:.1} ms, {:.1} GB/s", 1e3 * read, frame.bytes() as f64 / read / 1e9);
    for options in ["{}", r#"{"warm_start": 50000}"#] {
        let parsed = MatchOptions::from_json(options).unwrap();
        let before = cpu();
        let (time, fit) = seconds(|| propensity(&frame, &parsed, &|| {}).unwrap());
        let used = cpu() - before;
        let each = time / f64::from(fit.iterations);
        println!(
            "fit {options}: {time:.3} s, cpu {used:.2} s, {} iterations, each {:.1} ms or {:.1} readings of the columns",
            fit.iterations,
            1e3 * each,
            each / read
        );
    }
    let separated = self::frame(frame.len(), frame.names().count(), true);
    let before = cpu();
    let (time, fit) = seconds(|| propensity(&separated, &MatchOptions::default(), &|| {}).unwrap());
    println!(
        "fit of separated rows: {time:.3} s, cpu {:.2} s, {} iterations, penalty {:?}",
        cpu() - before,
        fit.iterations,
        fit.penalty
    );
    drop(separated);
    for options in [
        r#"{"caliper": 0.2}"#,
        r#"{"caliper": 0.2, "ratio": 3, "replace": true}"#,
        r#"{"method": "optimal"}"#,
        r#"{"method": "radius", "link": "linear.logit", "caliper": 0.2}"#,
    ] {
        let parsed = MatchOptions::from_json(options).unwrap();
        let before = cpu();
        let (time, matching) = seconds(|| match_controls(&frame, &parsed, &|| {}).unwrap());
        let used = cpu() - before;
        let worst = matching.worst().and_then(|row| row.matched).map_or(f64::NAN, |side| side.smd.abs());
        println!(
            "score, matches and balance {options}: {time:.3} s, cpu {used:.2} s, {} treated matched, worst SMD {worst:.4}",
            matching.treated.matched
        );
    }
}
