//! Options that have been checked: what the engine works from.

use crate::error::{Error, Result};
use crate::matching::options::{Discard, Estimand, Kernel, Link, MatchOrder, Method};
use crate::matching::propensity::FitOptions;

/// What distance is taken between.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Distance {
    /// An estimated propensity score.
    Propensity(Link),
    /// A numeric column of the frame.
    Supplied(String),
    /// All covariates.
    Columns(Metric),
}

/// A distance between rows of several columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metric {
    /// By the inverse of the covariance pooled within groups.
    Mahalanobis,
    /// Of ranks (Rosenbaum 2010, section 8.3).
    RobustMahalanobis,
    /// By the standard deviations pooled within groups.
    ScaledEuclidean,
    /// As they are.
    Euclidean,
}

/// Controls for each treated unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Ratio {
    Fixed(u32),
    Variable { mean: f64, min: u32, max: u32 },
}

/// A caliper as asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Caliper {
    /// A covariate, or `None` for the distance.
    pub(crate) name: Option<String>,
    pub(crate) width: Width,
}

/// A width as asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Width {
    /// In the scale of what it limits.
    Raw(f64),
    /// In its standard deviations.
    Deviations(f64),
    /// The smallest that loses nobody.
    Smallest,
}

/// Checked options.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub(crate) method: Method,
    pub(crate) distance: Distance,
    pub(crate) link: Link,
    pub(crate) ratio: Ratio,
    pub(crate) reuse_max: Option<u32>,
    pub(crate) calipers: Vec<Caliper>,
    pub(crate) exact: Vec<String>,
    pub(crate) mahvars: Vec<String>,
    pub(crate) order: MatchOrder,
    pub(crate) seed: u64,
    pub(crate) discard: Discard,
    pub(crate) reestimate: bool,
    pub(crate) estimand: Estimand,
    pub(crate) normalize: bool,
    pub(crate) covariates: Option<Vec<String>>,
    pub(crate) kernel: Kernel,
    pub(crate) caliper_grid: Vec<f64>,
    pub(crate) smd_limits: [f64; 2],
    pub(crate) squares: bool,
    pub(crate) interactions: bool,
    pub(crate) fit: FitOptions,
}

impl Plan {
    /// The caliper on the distance, if there is one.
    pub(crate) fn distance_caliper(&self) -> Option<&Caliper> {
        self.calipers.iter().find(|c| c.name.is_none())
    }

    /// Whether a propensity model is to be fitted.
    pub(crate) fn needs_fit(&self) -> bool {
        match self.method {
            Method::Exact | Method::Entropy => false,
            _ => matches!(self.distance, Distance::Propensity(_)),
        }
    }

    pub(crate) fn fits_together(&self) -> Result<()> {
        let refuse = |field: &str, rule: &str| Err(Error::invalid(field, rule));
        let on_columns = matches!(self.distance, Distance::Columns(_));
        let weighting = matches!(self.method, Method::Overlap | Method::Entropy | Method::Ipw);
        let nearest = self.method == Method::Nearest;
        let width = self.distance_caliper().map(|c| c.width);
        match (self.method, width) {
            (Method::Radius, None) => return refuse("caliper", "must be given for the method \"radius\""),
            (Method::Radius | Method::Optimal, Some(Width::Raw(w) | Width::Deviations(w))) if w < 0.0 => {
                return refuse("caliper", "may be negative for the method \"nearest\" only");
            }
            (Method::Radius, Some(Width::Raw(_)))
                if matches!(self.distance, Distance::Propensity(Link::Probability)) =>
            {
                return refuse("caliper", ABSOLUTE_RADIUS);
            }
            (Method::Optimal, Some(_)) if self.ratio != Ratio::Fixed(1) => {
                return refuse("ratio", "must be 1 for optimal matching within a caliper");
            }
            (Method::Radius | Method::Nearest, Some(Width::Smallest)) => {
                return refuse("caliper", "may be \"smallest\" for the method \"optimal\" only");
            }
            _ => {}
        }
        if !nearest && self.calipers.iter().any(|c| c.name.is_some()) {
            return refuse("caliper", "on a covariate goes with the method \"nearest\" only");
        }
        if (weighting || self.method == Method::Exact) && !self.calipers.is_empty() {
            return refuse("caliper", "does not go with a method that makes no pairs");
        }
        if (weighting || self.method == Method::Exact) && !self.exact.is_empty() {
            return refuse("exact", "goes with the methods \"nearest\", \"radius\" and \"optimal\"");
        }
        let ratio_fits = match self.ratio {
            Ratio::Fixed(1) => true,
            Ratio::Fixed(_) => nearest || self.method == Method::Optimal,
            Ratio::Variable { .. } => nearest,
        };
        if !ratio_fits {
            return refuse(
                "ratio",
                "goes with the methods \"nearest\" and \"optimal\", a varying one with \"nearest\" only",
            );
        }
        if !self.mahvars.is_empty() && (!nearest || on_columns) {
            return refuse("mahvars", "goes with the method \"nearest\" and a score as distance");
        }
        if on_columns && self.distance_caliper().is_some() {
            return refuse(
                "caliper",
                "on the distance needs a score; give a caliper for a covariate, or a score and \"mahvars\"",
            );
        }
        if self.discard != Discard::Neither && (on_columns || matches!(self.method, Method::Exact | Method::Entropy)) {
            return refuse("discard", "needs a score");
        }
        if on_columns && matches!(self.ratio, Ratio::Variable { .. }) {
            return refuse("max_controls", "needs a score");
        }
        if matches!(self.method, Method::Overlap | Method::Ipw) && self.link == Link::LinearLogit {
            return refuse("link", "must be \"logit\" for weights made of probabilities");
        }
        Ok(())
    }
}

/// Why a fixed width on the probability is refused (measured: docs/matching.md).
pub(crate) const ABSOLUTE_RADIUS: &str = "of fixed width on the probability is refused: where treatment is rare all scores are small, \
and a radius such as 0.05 takes in almost everybody; give the width in standard deviations, or take \"link\": \"linear.logit\"";
