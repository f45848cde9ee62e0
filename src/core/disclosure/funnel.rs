//! The attrition funnel without a loss that gives a few people away.

use serde::Serialize;

use crate::disclosure::round_to_base;
use crate::error::{Error, Result};

/// One step of the attrition funnel fit to be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SafeStep {
    /// The steps that were merged into it; the last gives it its name.
    pub steps: Vec<String>,
    /// How many people are left after it; `None` where hidden.
    pub remaining: Option<i64>,
}

/// The attrition funnel with every loss of 1 to `threshold` - 1 merged into a neighbour, so that it cannot be subtracted.
///
/// `steps` are the people left after each, the first all that were submitted. If all losses together are below the
/// threshold, only the last step is published. With `rounded` every number is rounded to base 5. If the last number is
/// hidden elsewhere (`last_hidden`), so it is here.
///
/// ```
/// use jdl_core::disclosure::protect_funnel;
/// let steps = [("submitted", 200), ("valid", 197), ("linked", 170), ("matched", 170)].map(|(s, n)| (s.to_owned(), n));
/// let safe = protect_funnel(&steps, 10, false, false)?;
/// let left: Vec<_> = safe.iter().map(|step| (step.steps.join(", "), step.remaining)).collect();
/// assert_eq!(left[1], ("valid, linked".to_owned(), Some(170)));
/// assert_eq!(left.len(), 3);
/// # Ok::<(), jdl_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::InvalidInput`] if people appear on the way.
pub fn protect_funnel(
    steps: &[(String, i64)],
    threshold: i64,
    rounded: bool,
    last_hidden: bool,
) -> Result<Vec<SafeStep>> {
    let Some(((first, submitted), later)) = steps.split_first() else { return Ok(Vec::new()) };
    // Merged steps with their loss and what remains.
    let mut merged: Vec<(Vec<String>, i64, i64)> = Vec::new();
    let mut open = false;
    let mut before = *submitted;
    for (name, remaining) in later {
        let loss = before - remaining;
        if loss < 0 || *remaining < 0 {
            return Err(Error::invalid("funnel", "must not gain people"));
        }
        before = *remaining;
        match merged.last_mut() {
            Some(last) if open => {
                last.0.push(name.clone());
                last.1 += loss;
                last.2 = *remaining;
            }
            _ => merged.push((vec![name.clone()], loss, *remaining)),
        }
        open = merged.last().is_some_and(|last| (1..threshold).contains(&last.1));
    }
    while open && merged.len() > 1 {
        if let (Some(last), Some(previous)) = (merged.pop(), merged.last_mut()) {
            previous.0.extend(last.0);
            previous.1 += last.1;
            previous.2 = last.2;
            open = (1..threshold).contains(&previous.1);
        }
    }
    let show = |count: i64| if rounded { round_to_base(count) } else { count };
    let mut safe = vec![SafeStep { steps: vec![first.clone()], remaining: (!open).then(|| show(*submitted)) }];
    safe.extend(merged.into_iter().map(|(steps, _, remaining)| SafeStep { steps, remaining: Some(show(remaining)) }));
    if last_hidden && let Some(last) = safe.last_mut() {
        last.remaining = None;
    }
    Ok(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn funnel(counts: &[i64]) -> Vec<(String, Option<i64>)> {
        let steps: Vec<(String, i64)> = counts.iter().enumerate().map(|(i, n)| (i.to_string(), *n)).collect();
        let safe = protect_funnel(&steps, 10, false, false).unwrap();
        safe.into_iter().map(|step| (step.steps.concat(), step.remaining)).collect()
    }

    #[test]
    fn small_losses_of_the_funnel_are_merged() {
        let step = |name: &str, count: i64| (name.to_owned(), Some(count));
        assert_eq!(funnel(&[100, 97, 80, 80, 60]), [step("0", 100), step("12", 80), step("3", 80), step("4", 60)]);
        // The last loss is small: it goes back into the one before.
        assert_eq!(funnel(&[100, 80, 80, 79]), [step("0", 100), step("123", 79)]);
        // All losses together are small: what was submitted is hidden.
        assert_eq!(funnel(&[100, 98, 97]), [("0".to_owned(), None), step("12", 97)]);
        assert_eq!(funnel(&[100]), [step("0", 100)]);
        assert!(protect_funnel(&[("a".to_owned(), 5), ("b".to_owned(), 6)], 10, false, false).is_err());
    }

    #[test]
    fn no_published_loss_of_any_funnel_is_small() {
        for first in 0..40 {
            for second in 0..40 {
                for third in 0..25 {
                    let counts = [200, 200 - first, 200 - first - second, 200 - first - second - third];
                    let published: Vec<i64> = funnel(&counts).into_iter().filter_map(|(_, count)| count).collect();
                    assert!(published.windows(2).all(|pair| !(1..10).contains(&(pair[0] - pair[1]))));
                    assert_eq!(published.last(), Some(&counts[3]));
                }
            }
        }
    }
}
