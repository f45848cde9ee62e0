//! Numbers as they are printed. A number is rounded once, here, and everything else works on its printed digits.
//!
//! The lab prints whole per cent, whole days, two decimals of a frequency and of p. Three things go wrong with plain
//! rounding, and each has its rule here: a difference that is not zero would print as zero and lose its direction (it
//! keeps further decimals); "-0" (digits are an integer, which has no negative zero); p = 0.0502 would print as 0.05
//! beside "not significant" (it keeps further decimals until it stands on the right side of alpha).

use crate::report::result::{Estimate, Light, Measure, Rules, Unit};

/// What stands where a number is hidden.
pub const WITHHELD: &str = "withheld";
/// What stands where a number does not exist.
pub const NOT_AVAILABLE: &str = "n/a";

/// At most this many decimals are ever kept; what is beyond them is what floating-point arithmetic leaves of nothing.
const MOST_DECIMALS: u8 = 12;
/// A unit of the last of them.
const NOISE: f64 = 1e-12;

/// A number of group members from which frequencies are printed with two decimals. Below it two decimals and the size
/// of the group give away the exact number of offences.
const TWO_DECIMALS_FROM: u64 = 200;

/// A number as it is printed: `units` of ten to the power of minus `decimals`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rounded {
    units: i64,
    decimals: u8,
}

impl Rounded {
    /// `value` to the nearest unit of the last decimal, halves away from zero.
    ///
    /// ```
    /// use jdl_core::report::figure::Rounded;
    /// assert_eq!(Rounded::nearest(-0.004, 2).to_string(), "0.00");
    /// assert_eq!(Rounded::nearest(113_554.0, 0).to_string(), "113,554");
    /// ```
    pub fn nearest(value: f64, decimals: u8) -> Self {
        let decimals = decimals.min(MOST_DECIMALS);
        Self { units: (value * power_of_ten(decimals)).round() as i64, decimals }
    }

    /// [`Rounded::nearest`] with as few decimals, from `decimals` up, as keep what `holds`, and would keep it if the
    /// printed digits were rounded again. (0.46 as a number that must not print as 0 is "0.46": its "0.5" would be
    /// rounded to 1 by whoever prints it again.)
    fn holding(value: f64, decimals: u8, holds: impl Fn(f64) -> bool) -> Self {
        (decimals..MOST_DECIMALS)
            .find_map(|d| Self::standing(value, decimals, d, &holds))
            .unwrap_or(Self::nearest(value, MOST_DECIMALS))
    }

    /// `value` at `decimals`, if that holds and no rounding of the result to fewer, down to `fewest`, stands as well.
    fn standing(value: f64, fewest: u8, decimals: u8, holds: &impl Fn(f64) -> bool) -> Option<Self> {
        let rounded = Self::nearest(value, decimals);
        let again = |fewer| Self::standing(rounded.value(), fewest, fewer, holds).is_some();
        (holds(rounded.value()) && !(fewest..decimals).any(again)).then_some(rounded)
    }

    /// [`Rounded::nearest`] with as many further decimals as it takes for a value that is not zero to print as such.
    ///
    /// ```
    /// use jdl_core::report::figure::Rounded;
    /// assert_eq!(Rounded::visible(0.23, 0).to_string(), "0.2");
    /// assert_eq!(Rounded::visible(13.4, 0).to_string(), "13");
    /// ```
    pub fn visible(value: f64, decimals: u8) -> Self {
        let value = quiet(value);
        Self::holding(value, decimals, |rounded| rounded != 0.0 || value == 0.0)
    }

    /// The number that the digits stand for.
    pub fn value(self) -> f64 {
        self.units as f64 / power_of_ten(self.decimals)
    }

    /// -1, 0 or 1.
    pub const fn sign(self) -> i64 {
        self.units.signum()
    }

    /// Without its sign.
    pub const fn abs(self) -> Self {
        Self { units: self.units.saturating_abs(), decimals: self.decimals }
    }

    /// Whether these printed digits less `other`'s give `difference`'s.
    pub fn minus_is(self, other: Self, difference: Self) -> bool {
        let most = self.decimals.max(other.decimals).max(difference.decimals);
        let aligned = |r: Self| i128::from(r.units) * 10_i128.pow(u32::from(most - r.decimals));
        aligned(self) - aligned(other) == aligned(difference)
    }
}

impl std::fmt::Display for Rounded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scale = 10_u64.pow(u32::from(self.decimals));
        let (whole, part) = (self.units.unsigned_abs() / scale, self.units.unsigned_abs() % scale);
        let sign = if self.units < 0 { "-" } else { "" };
        write!(f, "{sign}{}", count(whole))?;
        if self.decimals > 0 {
            write!(f, ".{part:0width$}", width = usize::from(self.decimals))?;
        }
        Ok(())
    }
}

/// `value` without what is beyond [`MOST_DECIMALS`].
fn quiet(value: f64) -> f64 {
    let scaled = value * power_of_ten(MOST_DECIMALS);
    // Beyond the integers that a float holds exactly there is nothing to take away.
    if scaled.abs() < 9e15 { scaled.round() / power_of_ten(MOST_DECIMALS) } else { value }
}

fn power_of_ten(decimals: u8) -> f64 {
    10_f64.powi(i32::from(decimals))
}

/// A count with commas between thousands.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// How the numbers of one measure are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    unit: Unit,
    decimals: u8,
}

impl Style {
    /// The style of a measure: decimals depend on its unit, for frequencies also on the size of the treatment group.
    pub fn of(measure: &Measure, rules: &Rules) -> Self {
        let decimals = match measure.unit {
            Unit::Share => rules.rate_decimals,
            Unit::PerPerson => 1 + u8::from(measure.treatment.n.is_some_and(|n| n >= TWO_DECIMALS_FROM)),
            Unit::Days => 0,
        };
        Self { unit: measure.unit, decimals }
    }

    /// The style of a share.
    pub const fn share(rules: &Rules) -> Self {
        Self { unit: Unit::Share, decimals: rules.rate_decimals }
    }

    /// The number as it stands in a table, where the row says what is counted: "31%", "0.85", "120".
    pub fn in_cell(self, rounded: Rounded) -> String {
        if self.unit == Unit::Share { format!("{rounded}%") } else { rounded.to_string() }
    }

    /// A rate (in per cent), frequency or number of days. A share that is not 0 or 1 does not print as 0 or 100.
    pub fn level(self, value: f64) -> Rounded {
        let value = quiet(value * self.scale());
        Rounded::holding(value, self.decimals, |rounded| {
            (rounded != 0.0 || value == 0.0) && (self.unit != Unit::Share || (rounded < 100.0) == (value < 100.0))
        })
    }

    /// A difference with its interval, in percentage points where the unit is a share.
    ///
    /// An end that is not zero does not print as zero, and where both ends lie on one side neither does the estimate:
    /// the printed digits have the direction of the stored ones, and the printed estimate lies in its printed interval.
    pub fn estimate(self, estimate: &Estimate) -> PrintedEstimate {
        let end = |value: Option<f64>| finite(value).map(|v| Rounded::visible(v * self.scale(), self.decimals));
        let (low, high) = (end(estimate.low), end(estimate.high));
        let one_sided = low.zip(high).is_some_and(|(low, high)| low.sign() * high.sign() > 0);
        let value = if one_sided {
            end(estimate.value)
        } else {
            finite(estimate.value).map(|v| Rounded::nearest(quiet(v * self.scale()), self.decimals))
        };
        PrintedEstimate { value, low, high }
    }

    /// The size of a difference, not zero unless it is.
    pub fn size(self, value: f64) -> Rounded {
        Rounded::visible(value.abs() * self.scale(), self.decimals)
    }

    /// Back from printed digits to the stored scale (per cent to share).
    pub fn stored(self, rounded: Rounded) -> f64 {
        match self.unit {
            // Divided in one step: the double nearest to the printed digits, which JSON writes as those digits.
            Unit::Share => rounded.units as f64 / power_of_ten(rounded.decimals + 2),
            _ => rounded.value(),
        }
    }

    /// The number with its unit: "31%", "0.85", "120 days".
    pub fn with_unit(self, rounded: Rounded) -> String {
        match self.unit {
            Unit::Share => format!("{rounded}%"),
            Unit::PerPerson => rounded.to_string(),
            Unit::Days => format!("{rounded} {}", self.noun(rounded)),
        }
    }

    /// The difference with its unit: "11 percentage points", "0.12", "1 day".
    pub fn difference_with_unit(self, rounded: Rounded) -> String {
        match self.unit {
            Unit::PerPerson => rounded.to_string(),
            _ => format!("{rounded} {}", self.noun(rounded)),
        }
    }

    /// The noun behind a difference: "percentage points", "days"; nothing for frequencies.
    pub fn noun(self, rounded: Rounded) -> &'static str {
        let one = rounded.decimals == 0 && rounded.units.abs() == 1;
        match (self.unit, one) {
            (Unit::Share, true) => "percentage point",
            (Unit::Share, false) => "percentage points",
            (Unit::Days, true) => "day",
            (Unit::Days, false) => "days",
            (Unit::PerPerson, _) => "",
        }
    }

    const fn scale(self) -> f64 {
        match self.unit {
            Unit::Share => 100.0,
            _ => 1.0,
        }
    }
}

/// A difference as it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrintedEstimate {
    /// The estimate.
    pub value: Option<Rounded>,
    /// Lower end.
    pub low: Option<Rounded>,
    /// Upper end.
    pub high: Option<Rounded>,
}

/// The digits of a ratio: two decimals, more where two would print zero or put it on the other side of one.
pub fn ratio_rounded(ratio: f64) -> Rounded {
    let ratio = quiet(ratio);
    Rounded::holding(ratio, 2, |rounded| {
        (rounded > 0.0 || ratio <= 0.0) && rounded.partial_cmp(&1.0) == ratio.partial_cmp(&1.0)
    })
}

/// The digits of p: two decimals, more where two would print zero or put it on the other side of alpha.
pub fn p_rounded(p: f64, alpha: f64) -> Rounded {
    let p = quiet(p);
    Rounded::holding(p, 2, |rounded| (rounded != 0.0 || p == 0.0) && (rounded <= alpha) == (p <= alpha))
}

/// p as printed: "0.23", "<0.01".
///
/// ```
/// use jdl_core::report::figure::p_text;
/// assert_eq!(p_text(0.2345, 0.05), "0.23");
/// assert_eq!(p_text(0.0502, 0.05), "0.0502");
/// assert_eq!(p_text(0.0004, 0.05), "<0.01");
/// ```
pub fn p_text(p: f64, alpha: f64) -> String {
    let rounded = p_rounded(p, alpha);
    if rounded.value() < 0.01 { "<0.01".to_owned() } else { rounded.to_string() }
}

/// The digits of a standardised mean difference: two decimals, more where two would change its light.
pub fn smd_rounded(smd: f64, rules: &Rules) -> Rounded {
    let smd = quiet(smd);
    let light = Light::of(smd, rules);
    Rounded::holding(smd, 2, |rounded| Light::of(rounded, rules) == light)
}

/// The digits of an effective sample size: whole, more where whole would change its side of the limit.
pub fn effective_n_rounded(n: f64, rules: &Rules) -> Rounded {
    let (n, least) = (quiet(n), rules.min_effective_n);
    Rounded::holding(n, 0, |rounded| (rounded >= least) == (n >= least))
}

/// A count out of a total as a whole percentage: "12%", "<1%" where it would round to 0, ">99%" where to 100.
///
/// ```
/// use jdl_core::report::figure::part_of;
/// assert_eq!(part_of(1, 1000), "<1%");
/// assert_eq!(part_of(999, 1000), ">99%");
/// ```
pub fn part_of(part: u64, total: u64) -> String {
    if total == 0 {
        return NOT_AVAILABLE.to_owned();
    }
    let per_cent = Rounded::nearest(part as f64 / total as f64 * 100.0, 0).units;
    match per_cent {
        0 if part > 0 => "<1%".to_owned(),
        100 if part < total => ">99%".to_owned(),
        _ => format!("{per_cent}%"),
    }
}

impl Light {
    /// The light of a standardised mean difference under the rules' limits (both "at most").
    pub fn of(smd: f64, rules: &Rules) -> Self {
        if smd.abs() <= rules.smd_green + NOISE {
            Self::Green
        } else if smd.abs() <= rules.smd_amber + NOISE {
            Self::Amber
        } else {
            Self::Red
        }
    }

    /// "green", "amber" or "red".
    pub const fn word(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Amber => "amber",
            Self::Red => "red",
        }
    }
}

/// A finite number, or nothing: what is not a number is never printed.
pub fn finite(value: Option<f64>) -> Option<f64> {
    value.filter(|v| v.is_finite())
}

/// `shown` if there is a value; otherwise "withheld" where there is a reason to, else "n/a".
pub fn or_withheld<T>(value: Option<T>, withheld: Option<&String>, shown: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| if withheld.is_some() { WITHHELD } else { NOT_AVAILABLE }.to_owned(), shown)
}

#[cfg(test)]
mod tests {
    use super::{Rounded, Style, count, p_rounded, part_of, smd_rounded};
    use crate::report::result::{Estimate, Measure, MeasureKey, Rules};

    #[test]
    fn nothing_prints_minus_zero() {
        for value in [-0.0, -1e-20, -0.004, -0.4] {
            for decimals in 0..4 {
                let text = Rounded::nearest(value, decimals).to_string();
                assert!(!(text.starts_with('-') && text.chars().all(|c| "-0.".contains(c))), "{text}");
            }
        }
    }

    #[test]
    fn a_share_that_is_not_all_or_nothing_does_not_print_as_such() {
        let style = Style::share(&Rules::default());
        assert_eq!(style.with_unit(style.level(0.004)), "0.4%");
        assert_eq!(style.with_unit(style.level(0.997)), "99.7%");
        assert_eq!(style.with_unit(style.level(1.0)), "100%");
        assert_eq!(style.with_unit(style.level(0.0)), "0%");
        assert_eq!(style.with_unit(style.level(0.305_555)), "31%");
    }

    #[test]
    fn printing_what_was_printed_changes_nothing() {
        let rules = Rules::default();
        let mut measure = Measure::new(MeasureKey::ReoffencesPerPerson, None);
        for n in [100, 1000] {
            measure.treatment.n = Some(n);
            for style in [Style::of(&measure, &rules), Style::share(&rules)] {
                for i in -2000..2000 {
                    let value = f64::from(i) / 1999.0;
                    for (low, high) in [(-1.1, 1.3), (value - 0.001, value + 0.001)] {
                        let once = style.estimate(&Estimate { value: Some(value), low: Some(low), high: Some(high) });
                        let stored = |r: Option<Rounded>| r.map(|r| style.stored(r));
                        let (value, low, high) = (stored(once.value), stored(once.low), stored(once.high));
                        assert_eq!(style.estimate(&Estimate { value, low, high }), once);
                        assert!(low <= value && value <= high, "{once:?}");
                    }
                    let level = style.level(value.abs());
                    assert_eq!(style.level(style.stored(level)), level);
                }
            }
        }
        for i in 0..=100_000 {
            let once = p_rounded(f64::from(i) / 1e5, 0.05);
            assert_eq!(p_rounded(once.value(), 0.05), once);
        }
    }

    #[test]
    fn a_limit_is_never_crossed_by_rounding() {
        let rules = Rules::default();
        for i in 0..3000 {
            let value = f64::from(i) / 10_000.0;
            assert_eq!(value <= 0.05, p_rounded(value, 0.05).value() <= 0.05);
            let printed = smd_rounded(-value, &rules).value();
            assert_eq!(super::Light::of(printed, &rules), super::Light::of(value, &rules));
        }
    }

    #[test]
    fn counts_and_parts_read_as_people_write_them() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_000_000), "1,000,000");
        assert_eq!(part_of(0, 10), "0%");
        assert_eq!(part_of(25, 200), "13%");
        assert_eq!(part_of(0, 0), "n/a");
    }

    #[test]
    fn printed_digits_are_subtracted_as_a_reader_would() {
        let (a, b) = (Rounded::nearest(25.0, 0), Rounded::nearest(28.0, 0));
        assert!(a.minus_is(b, Rounded::nearest(-3.0, 0)));
        assert!(!a.minus_is(b, Rounded::nearest(-4.0, 0)));
        assert!(!a.minus_is(a, Rounded::visible(0.3, 0)));
    }
}
