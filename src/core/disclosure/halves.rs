//! Inequalities that follow from others when they are added up, halved and rounded: zero-half cuts.
//!
//! Where covering inequalities meet in odd circles, the relaxed choice takes halves of cells: three cells of which any two
//! must hold one are satisfied by three halves, but whole cells need two. Which inequalities to add up is found by elimination
//! modulo 2 (Caprara and Fischetti 1996, Mathematical Programming 74; Koster, Zymolka and Kutschka 2009, Algorithmica 55).

/// How many inequalities come back, at most.
const MOST: usize = 40;
/// What an inequality may need, at most: those made of large numbers say little and are hard to compute with.
const MOST_NEED: i64 = 8;
/// By how much an inequality has to be broken.
const BROKEN: f64 = 0.02;

/// The sum of weight times choice is at least the need, all whole numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Whole {
    pub terms: Vec<(usize, i64)>,
    pub need: i64,
}

impl Whole {
    fn slack(&self, choice: &[f64]) -> f64 {
        self.terms.iter().map(|(at, weight)| *weight as f64 * choice[*at]).sum::<f64>() - self.need as f64
    }
}

/// A sum of inequalities modulo 2.
struct Sum {
    /// The cells that are partly chosen and have an odd weight.
    odd: Vec<bool>,
    /// Whether the need is odd, with every cell that is mostly chosen replaced by its complement.
    need_is_odd: bool,
    slack: f64,
    of: Vec<usize>,
}

/// Inequalities that the `choice` breaks, the most broken first; `known` are obeyed by every whole choice and nearly tight.
pub(super) fn halves(known: &[Whole], choice: &[f64]) -> Vec<Whole> {
    let parts: Vec<usize> = (0..choice.len()).filter(|at| choice[*at] > 1e-6).collect();
    let mut column = vec![None; choice.len()];
    for (number, at) in parts.iter().enumerate() {
        column[*at] = Some(number);
    }
    let off: Vec<f64> = parts.iter().map(|at| choice[*at].min(1.0 - choice[*at]).max(0.0)).collect();
    let mut sums: Vec<Sum> = Vec::new();
    for (number, row) in known.iter().enumerate() {
        let slack = row.slack(choice).max(0.0);
        if slack >= 1.0 - BROKEN {
            continue;
        }
        let mut odd = vec![false; parts.len()];
        let mut need_is_odd = row.need % 2 != 0;
        for (at, _) in row.terms.iter().filter(|(_, weight)| weight % 2 != 0) {
            if let Some(part) = column[*at] {
                odd[part] = true;
                need_is_odd ^= choice[*at] > 0.5;
            }
        }
        sums.push(Sum { odd, need_is_odd, slack, of: vec![number] });
    }
    let mut found: Vec<(f64, Whole)> = Vec::new();
    let mut order: Vec<usize> = (0..parts.len()).filter(|part| off[*part] > 1e-6).collect();
    order.sort_by(|a, b| off[*b].total_cmp(&off[*a]).then(a.cmp(b)));
    for part in order {
        for sum in &sums {
            let left: f64 =
                sum.slack + sum.odd.iter().zip(&off).filter(|(odd, _)| **odd).map(|(_, off)| off).sum::<f64>();
            if sum.need_is_odd && sum.of.len() > 1 && left < 1.0 - 2.0 * BROKEN {
                let cut = halve(known, &sum.of, choice);
                let slack = cut.slack(choice);
                if slack < -BROKEN && cut.need <= MOST_NEED && found.iter().all(|(_, other)| *other != cut) {
                    found.push((slack, cut));
                }
            }
        }
        // The tightest sum with this cell takes it out of the others.
        let with = (0..sums.len()).filter(|sum| sums[*sum].odd[part]);
        let Some(pivot) = with.min_by(|a, b| sums[*a].slack.total_cmp(&sums[*b].slack)) else { continue };
        let pivot = sums.swap_remove(pivot);
        for sum in sums.iter_mut().filter(|sum| sum.odd[part]) {
            for (odd, other) in sum.odd.iter_mut().zip(&pivot.odd) {
                *odd ^= other;
            }
            sum.need_is_odd ^= pivot.need_is_odd;
            sum.slack += pivot.slack;
            for row in &pivot.of {
                match sum.of.iter().position(|other| other == row) {
                    Some(at) => {
                        sum.of.swap_remove(at);
                    }
                    None => sum.of.push(*row),
                }
            }
        }
        sums.retain(|sum| sum.slack < 1.0 - BROKEN);
    }
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found.truncate(MOST);
    found.into_iter().map(|(_, cut)| cut).collect()
}

/// Half of the sum of some inequalities, rounded up; where a cell is mostly chosen, that it is chosen at most once is added
/// first if its weight is odd.
fn halve(known: &[Whole], of: &[usize], choice: &[f64]) -> Whole {
    let mut weights = vec![0; choice.len()];
    let mut need = 0;
    for row in of {
        need += known[*row].need;
        for (at, weight) in &known[*row].terms {
            weights[*at] += weight;
        }
    }
    for (at, weight) in weights.iter_mut().enumerate().filter(|(_, weight)| **weight % 2 != 0) {
        if choice[at] > 0.5 {
            *weight -= 1;
            need -= 1;
        }
    }
    let up = |number: i64| (number + 1).div_euclid(2);
    let need = up(need);
    let terms = weights.iter().enumerate().filter(|(_, weight)| **weight != 0);
    // More than the need never counts.
    Whole { terms: terms.map(|(at, weight)| (at, up(*weight).min(need))).filter(|(_, w)| *w != 0).collect(), need }
}
