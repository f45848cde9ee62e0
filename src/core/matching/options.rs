//! What an analyst may ask of the matching: MatchIt's argument names with dots as underscores, checked into a [`Plan`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::matching::plan::{Caliper, Distance, Metric, Plan, Ratio, Width};
use crate::matching::propensity::{FitOptions, Separation};

/// Widths of calipers as given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CaliperWidths {
    /// For the distance.
    Number(f64),
    /// By name: `distance` or a covariate.
    Each(BTreeMap<String, f64>),
    /// For the distance (optimal matching): the smallest that loses nobody.
    Word(Smallest),
}

/// The one word a caliper may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Smallest {
    /// The smallest width within which as many pairs can be made as without one.
    Smallest,
}

/// One value for all, or one for each name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OneOrEach<T> {
    /// For `distance`.
    One(T),
    /// By name: `distance` or a covariate.
    Each(BTreeMap<String, T>),
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant),+
        }
    };
}

words! {
    /// How the comparison group is made.
    Method {
        /// Greedy nearest neighbour (MatchIt's default).
        Nearest = "nearest",
        /// Every control within the caliper, weighted: the lab's way.
        Radius = "radius",
        /// As many pairs as there can be (within the caliper, if there is one), and then the smallest total distance.
        Optimal = "optimal",
        /// Strata of identical covariates.
        Exact = "exact",
        /// Overlap weights (Li, Morgan and Zaslavsky 2018).
        Overlap = "overlap",
        /// Entropy balancing (Hainmueller 2012).
        Entropy = "entropy",
        /// Inverse probability weights.
        Ipw = "ipw",
    }
}

words! {
    /// The scale of the propensity score on which distances are taken.
    Link {
        /// The probability (MatchIt's default).
        Probability = "logit",
        /// Its logit: the logarithm of the odds.
        LinearLogit = "linear.logit",
    }
}

words! {
    /// The order in which units choose.
    MatchOrder {
        /// Largest score first (MatchIt's default for the ATT).
        Largest = "largest",
        /// Smallest score first (MatchIt's default for the ATC).
        Smallest = "smallest",
        /// In the order of the ids (MatchIt's default without a score).
        Data = "data",
        /// Shuffled by `seed`.
        Random = "random",
        /// Closest pair first.
        Closest = "closest",
        /// Farthest pair first.
        Farthest = "farthest",
    }
}

words! {
    /// Which units outside of the common support are left out.
    Discard {
        /// None (MatchIt's default).
        Neither = "none",
        /// Treated outside of the controls' range.
        Treated = "treated",
        /// Controls outside of the treated's range.
        Control = "control",
        /// Both.
        Both = "both",
    }
}

words! {
    /// Whose effect is estimated.
    Estimand {
        /// The treated's (default).
        Att = "ATT",
        /// The controls'.
        Atc = "ATC",
        /// Everybody's (inverse probability weights only).
        Ate = "ATE",
    }
}

words! {
    /// How a control's weight falls with distance in radius matching.
    Kernel {
        /// Not at all.
        Uniform = "uniform",
        /// As 1 - (distance / width)^2.
        Epanechnikov = "epanechnikov",
    }
}

words! {
    /// What to do when the covariates separate treated from controls.
    OnSeparation {
        /// Fit with Firth's penalty and say so (default).
        Firth = "firth",
        /// Refuse.
        Refuse = "refuse",
    }
}

/// The options as given; every one may be left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MatchOptions {
    /// Default `nearest`.
    pub method: Option<Method>,
    /// `glm` (default), `mahalanobis`, `robust_mahalanobis`, `scaled_euclidean`, `euclidean`, or the name of a numeric column that holds the score.
    pub distance: Option<String>,
    /// Default `logit`.
    pub link: Option<Link>,
    /// Controls for each treated unit; default 1. With `max_controls` their mean, which need not be whole.
    pub ratio: Option<f64>,
    /// Default false.
    pub replace: Option<bool>,
    /// How often a control may be used; default 1, or without limit if `replace`.
    pub reuse_max: Option<u32>,
    /// Widths, none by default.
    pub caliper: Option<CaliperWidths>,
    /// Whether widths are in standard deviations; default true.
    pub std_caliper: Option<OneOrEach<bool>>,
    /// Covariates on which partners must agree.
    pub exact: Option<Vec<String>>,
    /// Covariates for Mahalanobis distance within the caliper of the score.
    pub mahvars: Option<Vec<String>>,
    /// Default by score, see [`MatchOrder`].
    pub m_order: Option<MatchOrder>,
    /// Default `none`.
    pub discard: Option<Discard>,
    /// Whether to fit the score again without the discarded; default false.
    pub reestimate: Option<bool>,
    /// Default `ATT`.
    pub estimand: Option<Estimand>,
    /// Fewest controls for each treated unit when the ratio varies; default 1.
    pub min_controls: Option<u32>,
    /// Most controls for each treated unit; makes the ratio vary.
    pub max_controls: Option<u32>,
    /// Needed by `m_order` random.
    pub seed: Option<u64>,
    /// Whether weights are scaled to the number of matched units in each group; default true.
    pub normalize: Option<bool>,
    /// Covariates of the propensity model; default all columns but a supplied score.
    pub covariates: Option<Vec<String>>,
    /// Default `uniform`.
    pub kernel: Option<Kernel>,
    /// Widths, in standard deviations of the score's logit, at which balance is tabulated beside the one chosen (radius).
    pub caliper_grid: Option<Vec<f64>>,
    /// Where the traffic light on a standardised mean difference turns amber and red; default 0.05 and 0.1.
    pub smd_limits: Option<[f64; 2]>,
    /// Balance also of squares; default false.
    pub squares: Option<bool>,
    /// Balance also of products of two; default false.
    pub interactions: Option<bool>,
    /// R's `glm` tolerance; default 1e-8.
    pub epsilon: Option<f64>,
    /// R's `glm` limit of iterations; default 25.
    pub maxit: Option<u32>,
    /// Default `firth`.
    pub separation: Option<OnSeparation>,
    /// Start the regression from a fit to all treated and this many controls.
    pub warm_start: Option<usize>,
}

impl MatchOptions {
    /// Reads options from a JSON object.
    ///
    /// # Errors
    /// Not an object of options; an unknown option or word is answered with those known.
    ///
    /// ```
    /// use jdl_core::matching::MatchOptions;
    /// assert!(MatchOptions::from_json(r#"{"method": "radius", "caliper": 0.2}"#).is_ok());
    /// let error = MatchOptions::from_json(r#"{"calliper": 0.2}"#).unwrap_err().to_string();
    /// assert!(error.contains("`caliper`"));
    /// ```
    pub fn from_json(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text).map_err(|error| Error::invalid("options", error.to_string()))?;
        Self::from_value(value)
    }

    /// Reads options from a parsed JSON object.
    ///
    /// # Errors
    /// As [`MatchOptions::from_json`].
    pub fn from_value(value: Value) -> Result<Self> {
        if !value.is_object() {
            return Err(Error::invalid("options", "must be a JSON object"));
        }
        serde_json::from_value(value).map_err(|error| {
            let message = error.to_string();
            // What serde says of values that may take several shapes helps nobody.
            let rule = match message.rsplit(' ').next() {
                Some("CaliperWidths") => "\"caliper\" must be a number, an object of numbers by name, or \"smallest\"",
                Some("OneOrEach") => "\"std_caliper\" must be true, false or an object of them by name",
                _ => &message,
            };
            Error::invalid("options", rule)
        })
    }

    /// Checks that the options fit together; names of columns are checked when the columns are there.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] with the option and the rule it breaks.
    pub fn check(&self) -> Result<Plan> {
        let method = self.method.unwrap_or(Method::Nearest);
        let link = self.link.unwrap_or(Link::Probability);
        let distance = match self.distance.as_deref() {
            None | Some("glm") => Distance::Propensity(link),
            Some("mahalanobis") => Distance::Columns(Metric::Mahalanobis),
            Some("robust_mahalanobis") => Distance::Columns(Metric::RobustMahalanobis),
            Some("scaled_euclidean") => Distance::Columns(Metric::ScaledEuclidean),
            Some("euclidean") => Distance::Columns(Metric::Euclidean),
            Some(name) => Distance::Supplied(name.to_owned()),
        };
        let estimand = self.estimand.unwrap_or(Estimand::Att);
        if estimand == Estimand::Ate && method != Method::Ipw {
            return Err(Error::invalid(
                "estimand",
                "is \"ATE\" only for the method \"ipw\"; others estimate \"ATT\" or \"ATC\"",
            ));
        }
        let on_columns = matches!(distance, Distance::Columns(_));
        if on_columns && !matches!(method, Method::Nearest) {
            return Err(Error::invalid("distance", "of several columns goes with the method \"nearest\" only"));
        }
        let (reuse, replace) = self.reuse(method)?;
        let ratio = self.ratio(replace)?;
        let plan = Plan {
            method,
            distance,
            link,
            ratio,
            reuse_max: reuse,
            calipers: self.calipers()?,
            exact: self.exact.clone().unwrap_or_default(),
            mahvars: self.mahvars.clone().unwrap_or_default(),
            order: self.order(estimand, on_columns)?,
            seed: self.seed.unwrap_or(0),
            discard: self.discard.unwrap_or(Discard::Neither),
            reestimate: self.reestimate.unwrap_or(false),
            estimand,
            normalize: self.normalize.unwrap_or(true),
            covariates: self.covariates.clone(),
            kernel: self.kernel.unwrap_or(Kernel::Uniform),
            caliper_grid: self.grid(method)?,
            smd_limits: self.smd_limits()?,
            squares: self.squares.unwrap_or(false),
            interactions: self.interactions.unwrap_or(false),
            fit: FitOptions {
                epsilon: positive("epsilon", self.epsilon.unwrap_or(1e-8))?,
                maxit: self.maxit.unwrap_or(25).max(1),
                warm_start_controls: self.warm_start,
                separation: match self.separation.unwrap_or(OnSeparation::Firth) {
                    OnSeparation::Firth => Separation::Firth,
                    OnSeparation::Refuse => Separation::Refuse,
                },
            },
        };
        plan.fits_together()?;
        Ok(plan)
    }

    fn reuse(&self, method: Method) -> Result<(Option<u32>, bool)> {
        let replace = self.replace.unwrap_or(false);
        match (self.reuse_max, replace) {
            (Some(0), _) => Err(Error::invalid("reuse_max", "must be at least 1")),
            (Some(_), true) => Err(Error::invalid("reuse_max", "cannot be given together with \"replace\"")),
            (Some(limit), false) if method == Method::Nearest => Ok((Some(limit), false)),
            (None, true) if method == Method::Nearest => Ok((None, true)),
            (None, false) => Ok((Some(1), false)),
            _ => Err(Error::invalid("replace", "goes with the method \"nearest\" only")),
        }
    }

    fn ratio(&self, replace: bool) -> Result<Ratio> {
        let ratio = self.ratio.unwrap_or(1.0);
        if !ratio.is_finite() || !(1.0..=1e6).contains(&ratio) {
            return Err(Error::invalid("ratio", "must be at least 1 and at most 1,000,000"));
        }
        match (self.min_controls, self.max_controls) {
            (None, None) if ratio.fract() > 0.0 => {
                Err(Error::invalid("ratio", "must be whole unless \"max_controls\" is given"))
            }
            (None, None) => Ok(Ratio::Fixed(ratio as u32)),
            (Some(_), None) => Err(Error::invalid("min_controls", "needs \"max_controls\"")),
            (_, Some(_)) if replace => Err(Error::invalid("max_controls", "cannot be given together with \"replace\"")),
            (min, Some(max)) => {
                let min = min.unwrap_or(1);
                if min >= 1 && f64::from(min) < ratio && ratio < f64::from(max) {
                    Ok(Ratio::Variable { mean: ratio, min, max })
                } else {
                    let rule = "and \"min_controls\" (at least 1) must have \"ratio\" between them";
                    Err(Error::invalid("max_controls", rule))
                }
            }
        }
    }

    fn calipers(&self) -> Result<Vec<Caliper>> {
        let widths = match &self.caliper {
            None => return Ok(Vec::new()),
            Some(CaliperWidths::Word(Smallest::Smallest)) => {
                return Ok(vec![Caliper { name: None, width: Width::Smallest }]);
            }
            Some(CaliperWidths::Number(width)) => vec![("distance".to_owned(), *width)],
            Some(CaliperWidths::Each(each)) => each.iter().map(|(name, &width)| (name.clone(), width)).collect(),
        };
        widths
            .into_iter()
            .map(|(name, width)| {
                if !width.is_finite() {
                    return Err(Error::invalid("caliper", "must be a finite number"));
                }
                let standardised = match &self.std_caliper {
                    None => true,
                    Some(OneOrEach::One(all)) => *all,
                    Some(OneOrEach::Each(each)) => each.get(&name).copied().unwrap_or(true),
                };
                let width = if standardised { Width::Deviations(width) } else { Width::Raw(width) };
                Ok(Caliper { name: (name != "distance").then_some(name), width })
            })
            .collect()
    }

    fn smd_limits(&self) -> Result<[f64; 2]> {
        let [green, amber] = self.smd_limits.unwrap_or([0.05, 0.1]);
        if 0.0 <= green && green <= amber && amber.is_finite() {
            Ok([green, amber])
        } else {
            Err(Error::invalid("smd_limits", "must be two numbers from 0 up in ascending order"))
        }
    }

    fn grid(&self, method: Method) -> Result<Vec<f64>> {
        let grid = self.caliper_grid.clone().unwrap_or_default();
        if !grid.is_empty() && method != Method::Radius {
            return Err(Error::invalid("caliper_grid", "goes with the method \"radius\" only"));
        }
        if grid.len() > 100 || grid.iter().any(|w| !w.is_finite() || *w <= 0.0) {
            return Err(Error::invalid("caliper_grid", "must be at most 100 positive numbers"));
        }
        Ok(grid)
    }

    fn order(&self, estimand: Estimand, on_columns: bool) -> Result<MatchOrder> {
        let default = match (on_columns, estimand) {
            (true, _) => MatchOrder::Data,
            (false, Estimand::Atc) => MatchOrder::Smallest,
            (false, _) => MatchOrder::Largest,
        };
        match self.m_order.unwrap_or(default) {
            MatchOrder::Random if self.seed.is_none() => {
                Err(Error::invalid("seed", "must be given for \"m_order\" random"))
            }
            MatchOrder::Largest | MatchOrder::Smallest if on_columns => Err(Error::invalid(
                "m_order",
                "by score needs a score: use \"data\", \"random\", \"closest\" or \"farthest\"",
            )),
            order => Ok(order),
        }
    }
}

fn positive(field: &str, value: f64) -> Result<f64> {
    if value.is_finite() && value > 0.0 { Ok(value) } else { Err(Error::invalid(field, "must be a positive number")) }
}
