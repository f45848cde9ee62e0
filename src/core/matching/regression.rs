//! A logistic regression of any yes/no event on the covariates of a frame: the outcome model beside the score.

use crate::error::{Error, Result};
use crate::matching::design::Design;
use crate::matching::frame::Frame;
use crate::matching::propensity::{self, FitOptions};
use crate::number::Heartbeat;

/// The probability of `event` for every row of `frame`, from a logistic regression on all its covariates (treatment is
/// not one of them) over the rows where `keep` holds; `event` and `keep` have one entry a row.
///
/// # Errors
/// [`Error::InvalidInput`] on lengths; [`Error::TooFew`] where nobody, or everybody, kept had the event;
/// [`Error::NotConverged`] as [`propensity`](crate::matching::propensity).
pub fn event_probabilities(frame: &Frame, event: &[bool], keep: &[bool], heartbeat: Heartbeat<'_>) -> Result<Vec<f64>> {
    if event.len() != frame.len() || keep.len() != frame.len() {
        return Err(Error::invalid("event", "must have one entry a row"));
    }
    let labelled = frame.labelled(event);
    let covariates: Vec<usize> = (0..labelled.covariates.len()).collect();
    let design = Design::contrasts(&labelled, &covariates)?;
    Ok(propensity::fit(&design, Some(keep), &FitOptions::default(), heartbeat)?.scores())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::{Column, MatchOptions, propensity};

    fn frame(treated: &[bool]) -> Frame {
        let ids: Vec<i64> = (1..=treated.len() as i64).collect();
        let age = Column::Numeric((0..treated.len()).map(|i| f64::from(i as u32 * 7 % 11)).collect());
        Frame::new(&ids, treated, &[("age", age)]).unwrap()
    }

    #[test]
    fn the_probability_of_treatment_is_the_propensity_score() {
        let treated: Vec<bool> = (0..60).map(|i| i % 11 < 3 || i % 7 == 0).collect();
        let frame = frame(&treated);
        let all = vec![true; treated.len()];
        let ours = event_probabilities(&frame, &treated, &all, &|| {}).unwrap();
        assert_eq!(ours, propensity(&frame, &MatchOptions::default(), &|| {}).unwrap().scores());
    }

    #[test]
    fn only_the_kept_rows_are_fitted_and_every_row_has_a_probability() {
        let treated: Vec<bool> = (0..60).map(|i| i < 20).collect();
        let event: Vec<bool> = (0..60).map(|i| i % 3 == 0).collect();
        let keep: Vec<bool> = treated.iter().map(|t| !t).collect();
        let mut other = event.clone();
        other[..20].fill(true);
        let (one, two) = (frame(&treated), frame(&treated));
        let fitted = event_probabilities(&one, &event, &keep, &|| {}).unwrap();
        assert_eq!(fitted.len(), 60);
        assert_eq!(fitted, event_probabilities(&two, &other, &keep, &|| {}).unwrap());
        assert!(event_probabilities(&one, &[false; 60], &keep, &|| {}).is_err());
        assert!(event_probabilities(&one, &event[1..], &keep, &|| {}).is_err());
    }
}
