//! Fisher's exact test of a two-by-two table, with the conditional odds ratio and its interval.

use super::absent::{Absent, Confidence, Defined};
use super::distributions::{bisect, ln_hypergeometric_mass, partition_point};
use super::rates::Proportion;

/// Fisher's exact test. Everything is conditional on both margins of the table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FisherExact {
    /// Two-sided p-value: the probability of every table no likelier than the one seen.
    pub p_value: f64,
    /// Conditional maximum likelihood odds ratio, first over second.
    pub odds_ratio: Defined<f64>,
    /// Lower limit of the odds ratio, inverting the upper tail; 0 where nothing bounds it.
    pub low: Defined<f64>,
    /// Upper limit of the odds ratio; absent where nothing bounds it.
    pub high: Defined<f64>,
}

/// The conditional distribution of the first group's events, given the margins.
struct Table {
    observed: u64,
    lowest: u64,
    highest: u64,
    people: [f64; 2],
    events: f64,
}

/// The two-sided p-value of [`fisher_exact`] alone (Fisher 1935), which needs no root finding.
pub fn fisher_p_value(first: Proportion, second: Proportion) -> f64 {
    let table = Table::new(first, second);
    if table.lowest == table.highest { 1.0 } else { table.two_sided() }
}

/// Fisher's exact test of two rates (Fisher 1935; interval as Cornfield 1956, by tails of the noncentral
/// hypergeometric distribution). The two-sided rule and its slack of 1e-7 are those of R's `fisher.test`.
///
/// Where nobody or everybody had the event the p-value is 1 and the odds ratio does not exist.
pub fn fisher_exact(first: Proportion, second: Proportion, confidence: Confidence) -> FisherExact {
    let table = Table::new(first, second);
    if table.lowest == table.highest {
        let absent = Err(Absent::EmptyCell);
        return FisherExact { p_value: 1.0, odds_ratio: absent, low: absent, high: absent };
    }
    let half_alpha = confidence.alpha() / 2.0;
    let root = |f: &dyn Fn(f64) -> f64| Ok(bisect(-700.0, 700.0, f).exp());
    let (at_lowest, at_highest) = (table.observed == table.lowest, table.observed == table.highest);
    FisherExact {
        p_value: table.two_sided(),
        odds_ratio: if at_lowest {
            Ok(0.0)
        } else if at_highest {
            Err(Absent::Unbounded)
        } else {
            root(&|log_odds| table.moments(log_odds).mean - table.observed as f64)
        },
        low: if at_lowest { Ok(0.0) } else { root(&|log_odds| table.moments(log_odds).at_least - half_alpha) },
        high: if at_highest {
            Err(Absent::Unbounded)
        } else {
            root(&|log_odds| half_alpha - table.moments(log_odds).at_most)
        },
    }
}

/// Mean and tail probabilities of the conditional distribution at one odds ratio.
struct Moments {
    mean: f64,
    at_least: f64,
    at_most: f64,
}

impl Table {
    fn new(first: Proportion, second: Proportion) -> Self {
        let events = first.events() + second.events();
        Self {
            observed: first.events(),
            lowest: events.saturating_sub(second.people()),
            highest: events.min(first.people()),
            people: [first.n(), second.n()],
            events: events as f64,
        }
    }

    fn ln_mass(&self, x: u64) -> f64 {
        ln_hypergeometric_mass(x as f64, self.people[0], self.people[1], self.events)
    }

    /// mass(x + 1) / mass(x) at odds ratio 1.
    fn step_up(&self, x: f64) -> f64 {
        ((self.people[0] - x) / (x + 1.0)) * ((self.events - x) / (self.people[1] - self.events + x + 1.0))
    }

    /// Sum over `x` and what lies above (or below) of mass / mass(x), at odds ratio exp(`log_odds`), away from the mode.
    /// Terms too small to change the sum end it.
    fn run(&self, x: u64, up: bool, odds: f64, mut visit: impl FnMut(u64, f64)) {
        let (mut x, mut term) = (x, 1.0);
        visit(x, term);
        while if up { x < self.highest } else { x > self.lowest } {
            if up {
                term *= self.step_up(x as f64) * odds;
                x += 1;
            } else {
                x -= 1;
                term /= self.step_up(x as f64) * odds;
            }
            if term < 1e-25 {
                break;
            }
            visit(x, term);
        }
    }

    /// Probability of `x` and beyond at odds ratio 1, for `x` on that side of the mode.
    fn tail(&self, x: u64, up: bool) -> f64 {
        let mut sum = 0.0;
        self.run(x, up, 1.0, |_, term| sum += term);
        self.ln_mass(x).exp() * sum
    }

    fn two_sided(&self) -> f64 {
        let limit = self.ln_mass(self.observed) + 1e-7_f64.ln_1p();
        let mode = self.mode(1.0);
        // The mass rises up to the mode and falls after it, so the unlikely tables are two runs.
        let first_above = partition_point(mode, self.highest + 1, |x| self.ln_mass(x) > limit);
        let end_below = partition_point(self.lowest, mode, |x| self.ln_mass(x) <= limit);
        if first_above <= mode {
            return 1.0;
        }
        let above = if first_above <= self.highest { self.tail(first_above, true) } else { 0.0 };
        let below = if end_below > self.lowest { self.tail(end_below - 1, false) } else { 0.0 };
        (above + below).min(1.0)
    }

    /// The likeliest count: the first whose successor is not likelier.
    fn mode(&self, odds: f64) -> u64 {
        partition_point(self.lowest, self.highest, |x| self.step_up(x as f64) * odds > 1.0)
    }

    fn moments(&self, log_odds: f64) -> Moments {
        let odds = log_odds.exp();
        let mode = self.mode(odds);
        let (mut total, mut first, mut at_least, mut at_most) = (0.0, 0.0, 0.0, 0.0);
        let mut add = |x: u64, term: f64| {
            total += term;
            first += term * (x as f64 - mode as f64);
            if x >= self.observed {
                at_least += term;
            }
            if x <= self.observed {
                at_most += term;
            }
        };
        self.run(mode, true, odds, &mut add);
        if mode > self.lowest {
            let below = 1.0 / (self.step_up((mode - 1) as f64) * odds);
            self.run(mode - 1, false, odds, |x, term| add(x, term * below));
        }
        Moments { mean: mode as f64 + first / total, at_least: at_least / total, at_most: at_most / total }
    }
}
