//! Measures of a linkage against the truth.

use jdl_core::linkage::{LinkOutcome, Status};

/// Counts and curves of one linkage.
pub struct Quality {
    pub linked: usize,
    pub right: usize,
    pub present: usize,
    pub absent: usize,
    pub absent_linked: usize,
    pub best_f1: f64,
    /// Share of the present people found before the first, and up to the fifth, false link, by falling probability.
    pub recall_at_0: f64,
    pub recall_at_5: f64,
}

impl Quality {
    /// `truth[i]` is the register person of submission `i`, if there is one.
    pub fn new(truth: &[Option<i64>], outcome: &LinkOutcome) -> Self {
        let rows = || truth.iter().zip(&outcome.records);
        let present = truth.iter().flatten().count();
        let mut ranked: Vec<(f64, f64, bool)> = rows()
            .filter_map(|(truth, r)| Some((r.match_probability?, r.match_weight?, r.person_id == *truth)))
            .collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1)));
        let (mut right, mut wrong, mut best_f1, mut at_0, mut at_5) = (0_u32, 0_u32, 0.0_f64, 0, 0);
        for (_, _, correct) in &ranked {
            if *correct {
                right += 1
            } else {
                wrong += 1
            }
            best_f1 = best_f1.max(2.0 * f64::from(right) / (f64::from(right + wrong) + present as f64));
            if wrong == 0 {
                at_0 = right;
            }
            if wrong <= 5 {
                at_5 = right;
            }
        }
        let linked = || rows().filter(|(_, record)| record.status == Status::Linked);
        Self {
            linked: linked().count(),
            right: linked().filter(|(truth, record)| record.person_id == **truth).count(),
            present,
            absent: truth.len() - present,
            absent_linked: linked().filter(|(truth, _)| truth.is_none()).count(),
            best_f1,
            recall_at_0: f64::from(at_0) / present as f64,
            recall_at_5: f64::from(at_5) / present as f64,
        }
    }

    pub fn precision(&self) -> f64 {
        self.right as f64 / self.linked.max(1) as f64
    }

    pub fn recall(&self) -> f64 {
        self.right as f64 / self.present as f64
    }

    pub fn print(&self, name: &str, outcome: &LinkOutcome) {
        println!(
            "{name}: precision {:.4} recall {:.4} absent linked {} of {} best F1 {:.4} recall at 0 false {:.4} at 5 false {:.4}; \
             expected false {:.2} missed {:.1}",
            self.precision(),
            self.recall(),
            self.absent_linked,
            self.absent,
            self.best_f1,
            self.recall_at_0,
            self.recall_at_5,
            outcome.summary.expected_false_links,
            outcome.summary.expected_missed_links,
        );
    }
}

/// The reliability table: of the best candidates with such a posterior, how many should be right and how many are.
pub fn print_calibration(truth: &[Option<i64>], outcome: &LinkOutcome) {
    println!("probability   rows   expected   right");
    for (low, high) in [(0.05, 0.5), (0.5, 0.9), (0.9, 0.99), (0.99, 0.999), (0.999, 0.9999), (0.9999, 1.1)] {
        let inside: Vec<(f64, bool)> = truth
            .iter()
            .zip(&outcome.records)
            .filter_map(|(truth, record)| Some((record.match_probability?, record.person_id == *truth)))
            .filter(|(p, _)| (low..high).contains(p))
            .collect();
        let expected: f64 = inside.iter().map(|(p, _)| p).sum();
        let right = inside.iter().filter(|(_, right)| *right).count();
        println!("{low:6}-{high:<6} {:5} {expected:10.1} {right:7}", inside.len());
    }
}
