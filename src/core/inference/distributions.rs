//! Distribution functions whose relative error stays below 1e-10 in both tails and for sizes up to tens of millions.
//!
//! The error function and the log gamma function come from `libm` (below one unit in the last place; `statrs` was tried and
//! keeps ten digits of the error function, eight of the inverse beta, and loses seven to a difference of log gammas at
//! n = 10 million). The mass functions are Loader's saddle-point forms (Loader 2000, "Fast and accurate computation of
//! binomial probabilities"), the tails are continued fractions in front of them, and the quantiles are Newton steps on
//! the log of the tail.

use std::f64::consts::{PI, SQRT_2};

use libm::{erfc, lgamma as ln_gamma};

/// ln(sqrt(2 pi)).
const LN_SQRT_2PI: f64 = 0.918_938_533_204_672_8;

/// P(Z <= z) of the standard normal distribution, erfc(-z / sqrt 2) / 2 (Abramowitz and Stegun 1964, 26.2.29).
pub fn normal_cdf(z: f64) -> f64 {
    0.5 * erfc(-z / SQRT_2)
}

/// P(Z > z) of the standard normal distribution, accurate far into the tail; as [`normal_cdf`].
pub fn normal_upper_tail(z: f64) -> f64 {
    0.5 * erfc(z / SQRT_2)
}

/// P(|Z| > |z|), the two-sided p-value of a normal test statistic; as [`normal_cdf`].
pub fn normal_two_sided(z: f64) -> f64 {
    erfc(z.abs() / SQRT_2)
}

/// The z with P(Z <= z) = `p`; -inf and inf at 0 and 1.
///
/// The log of the distribution function is concave, so Newton's method on it cannot go astray (Boyd and
/// Vandenberghe 2004, section 3.5 and 9.5).
pub fn normal_quantile(p: f64) -> f64 {
    if p > 0.5 {
        return -normal_quantile(1.0 - p);
    }
    if p <= 0.0 {
        return f64::NEG_INFINITY;
    }
    let mut z = -(-2.0 * (2.0 * p).ln()).max(0.0).sqrt();
    for _ in 0..50 {
        let lower = normal_cdf(z);
        let slope = (-0.5 * z * z - LN_SQRT_2PI).exp() / lower;
        let step = (p / lower).ln() / slope;
        z += step;
        if step.abs() <= 1e-16 * z.abs() {
            break;
        }
    }
    z
}

/// ln(n!) less Stirling's approximation: Loader's delta(n), for real n >= 0.
pub(super) fn stirling_error(n: f64) -> f64 {
    if n < 16.0 {
        return ln_gamma(n + 1.0) - (n + 0.5) * n.ln() + n - LN_SQRT_2PI;
    }
    let square = n * n;
    (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - (1.0 / 1680.0 - (1.0 / 1188.0) / square) / square) / square) / square)
        / n
}

/// x ln(x / m) + m - x without cancellation for x near m: Loader's deviance part, x > 0 and m > 0.
fn deviance(x: f64, m: f64) -> f64 {
    if (x - m).abs() >= 0.1 * (x + m) {
        return x * (x / m).ln() + m - x;
    }
    let v = (x - m) / (x + m);
    let mut sum = (x - m) * v;
    let mut term = 2.0 * x * v;
    for j in 1..1000 {
        term *= v * v;
        let next = sum + term / f64::from(2 * j + 1);
        if next.to_bits() == sum.to_bits() {
            break;
        }
        sum = next;
    }
    sum
}

/// ln of the binomial mass C(n, x) p^x q^(n-x) for real x, n with 0 <= x <= n; q = 1 - p is passed for accuracy.
pub(super) fn ln_binomial_mass(x: f64, n: f64, p: f64, q: f64) -> f64 {
    if x < 0.0 || x > n {
        return f64::NEG_INFINITY;
    }
    if n <= 0.0 {
        return 0.0;
    }
    if p <= 0.0 {
        return if x > 0.0 { f64::NEG_INFINITY } else { 0.0 };
    }
    if q <= 0.0 {
        return if x < n { f64::NEG_INFINITY } else { 0.0 };
    }
    if x <= 0.0 {
        return n * if p < 0.1 { (-p).ln_1p() } else { q.ln() };
    }
    if x >= n {
        return n * if q < 0.1 { (-q).ln_1p() } else { p.ln() };
    }
    let rest = n - x;
    stirling_error(n) - stirling_error(x) - stirling_error(rest) - deviance(x, n * p) - deviance(rest, n * q)
        + 0.5 * (n / (x * rest)).ln()
        - LN_SQRT_2PI
}

/// ln of the hypergeometric mass: x marked among `drawn` taken from `marked` + `unmarked`.
pub(super) fn ln_hypergeometric_mass(x: f64, marked: f64, unmarked: f64, drawn: f64) -> f64 {
    let total = marked + unmarked;
    let (p, q) = (drawn / total, (total - drawn) / total);
    ln_binomial_mass(x, marked, p, q) + ln_binomial_mass(drawn - x, unmarked, p, q)
        - ln_binomial_mass(drawn, total, p, q)
}

/// Both tails of the beta distribution, (P(X <= x), P(X > x)), for a, b > 0; y = 1 - x is passed for accuracy.
fn beta_tails(x: f64, y: f64, a: f64, b: f64) -> (f64, f64) {
    if x <= 0.0 {
        return (0.0, 1.0);
    }
    if y <= 0.0 {
        return (1.0, 0.0);
    }
    // Left of the mean the fraction for the lower tail converges fast, right of it that for the upper.
    if x * (a + b + 2.0) < a + 1.0 {
        let lower = ln_beta_kernel(x, y, a, b).exp() * beta_fraction(x, y, a, b);
        (lower, 1.0 - lower)
    } else {
        let upper = ln_beta_kernel(x, y, a, b).exp() * beta_fraction(y, x, b, a);
        (1.0 - upper, upper)
    }
}

/// ln of x^a y^b / B(a, b), which is ab/(a+b) times the binomial mass of a among a + b.
fn ln_beta_kernel(x: f64, y: f64, a: f64, b: f64) -> f64 {
    (a * b / (a + b)).ln() + ln_binomial_mass(a, a + b, x, y)
}

/// B(a, b) I_x(a, b) / (x^a y^b) as the even part of the continued fraction (DiDonato and Morris 1992), by
/// Lentz's algorithm. It takes y = 1 - x where the textbook form would subtract nearly equal numbers: with a of
/// 5 million and x next to 1, as for Student's t with 10 million degrees of freedom, that form keeps eight digits.
fn beta_fraction(x: f64, y: f64, a: f64, b: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let guard = |v: f64| if v.abs() < TINY { TINY } else { v };
    let lambda = a * y - b * x + 1.0;
    let mut h = guard(a * lambda / (a + 1.0));
    let (mut c, mut d) = (h, 0.0);
    // The number of terms grows with the root of the smaller of a and b; a million covers 10^10.
    for m in 1..1_000_000 {
        let m = f64::from(m);
        let odd = a + 2.0 * m - 1.0;
        let numerator = (m * (a + m - 1.0) / odd) * ((a + b + m - 1.0) / odd) * (b - m) * x * x;
        let denominator = m + m * (b - m) * x / odd + (a + m) * (lambda + m * (1.0 + y)) / (odd + 2.0);
        d = 1.0 / guard(denominator + numerator * d);
        c = guard(denominator + numerator / c);
        h *= c * d;
        if (c * d - 1.0).abs() < 1e-16 {
            break;
        }
    }
    1.0 / h
}

/// ln P(X <= x) of the beta distribution, which has no smallest value, and the log of [`ln_beta_kernel`]'s x^a y^b / B(a, b).
fn ln_beta_lower(x: f64, y: f64, a: f64, b: f64) -> (f64, f64) {
    let kernel = ln_beta_kernel(x, y, a, b);
    if x * (a + b + 2.0) < a + 1.0 {
        (kernel + beta_fraction(x, y, a, b).ln(), kernel)
    } else {
        ((-beta_tails(x, y, a, b).1).ln_1p(), kernel)
    }
}

/// The log odds ln(x / (1 - x)) of the beta quantile with lower tail `p` in (0, 1).
///
/// In log odds the beta density is log-concave, hence so is its distribution function, and Newton's method on
/// ln P(X <= x) converges from anywhere without a safeguard.
fn beta_quantile_log_odds(p: f64, a: f64, b: f64) -> f64 {
    let mut u = (a / b).ln();
    for _ in 0..200 {
        let (x, y) = (1.0 / (1.0 + (-u).exp()), 1.0 / (1.0 + u.exp()));
        let (lower, kernel) = ln_beta_lower(x, y, a, b);
        let step = (p.ln() - lower) / (kernel - lower).exp();
        u += step;
        if step.abs() <= 1e-15 * u.abs().max(1.0) {
            break;
        }
    }
    u
}

/// The x with P(X <= x) = `p` of the beta distribution with shapes a, b > 0: the root of the incomplete beta function of
/// DiDonato and Morris 1992.
///
/// ```
/// # use jdl_core::inference::beta_quantile;
/// assert!((beta_quantile(0.975, 1.0, 1.0) - 0.975).abs() < 1e-15);
/// ```
pub fn beta_quantile(p: f64, a: f64, b: f64) -> f64 {
    if p <= 0.0 {
        0.0
    } else if p >= 1.0 {
        1.0
    } else if p <= 0.5 {
        1.0 / (1.0 + (-beta_quantile_log_odds(p, a, b)).exp())
    } else {
        1.0 / (1.0 + beta_quantile_log_odds(1.0 - p, b, a).exp())
    }
}

/// The odds x / (1 - x) of the beta quantile with lower tail `p` in (0, 1): keeps its digits where x is near 1.
pub(super) fn beta_odds_quantile(p: f64, a: f64, b: f64) -> f64 {
    beta_quantile_log_odds(p, a, b).exp()
}

/// P(X >= x) of a binomial count: `x` or more among `n` with probability `p`, by the incomplete beta
/// function (Abramowitz and Stegun 1964, 26.5.24).
pub fn binomial_upper_tail(x: u64, n: u64, p: f64) -> f64 {
    if x == 0 {
        1.0
    } else if x > n {
        0.0
    } else {
        beta_tails(p, 1.0 - p, x as f64, (n - x + 1) as f64).0
    }
}

/// P(X <= x) of a binomial count; as [`binomial_upper_tail`].
pub fn binomial_lower_tail(x: u64, n: u64, p: f64) -> f64 {
    if x >= n { 1.0 } else { beta_tails(p, 1.0 - p, (x + 1) as f64, (n - x) as f64).1 }
}

/// Two-sided exact binomial p-value by the minimum-likelihood rule: the mass of every count no likelier than `x`,
/// with the relative slack of 1e-7 that R's `binom.test` allows for rounding.
pub(super) fn binomial_two_sided(x: u64, n: u64, p: f64) -> f64 {
    let mass = |k: u64| ln_binomial_mass(k as f64, n as f64, p, 1.0 - p);
    let limit = mass(x) + 1e-7_f64.ln_1p();
    let mode = (n as f64) * p;
    if (x as f64) < mode {
        // The mass falls from the mode to n: the first count there that is no likelier than x.
        let first = partition_point(mode.ceil() as u64, n + 1, |k| mass(k) > limit);
        binomial_lower_tail(x, n, p) + binomial_upper_tail(first, n, p)
    } else if (x as f64) > mode {
        let below = partition_point(0, mode.floor() as u64 + 1, |k| mass(k) <= limit);
        binomial_upper_tail(x, n, p) + below.checked_sub(1).map_or(0.0, |last| binomial_lower_tail(last, n, p))
    } else {
        1.0
    }
    .min(1.0)
}

/// The first integer of `low..high` for which `holds` fails; `holds` must not become true again.
pub(super) fn partition_point(mut low: u64, mut high: u64, holds: impl Fn(u64) -> bool) -> u64 {
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// P(|T| > |t|) of Student's t with `df` > 0 degrees of freedom (real), by the incomplete beta function (Abramowitz and
/// Stegun 1964, 26.7.1 and 26.5.27).
pub fn student_two_sided(t: f64, df: f64) -> f64 {
    if !df.is_finite() {
        return normal_two_sided(t);
    }
    // |t| is divided out first so that its square cannot overflow.
    let ratio = t / df.sqrt();
    let square = ratio * ratio;
    let (x, y) = if square.is_finite() { (1.0 / (1.0 + square), square / (1.0 + square)) } else { (0.0, 1.0) };
    beta_tails(x, y, df / 2.0, 0.5).0
}

/// The t with P(T > t) = `upper` (in (0, 1)) of Student's t with `df` > 0 degrees of freedom, from the beta quantile; as
/// [`student_two_sided`].
pub fn student_quantile(upper: f64, df: f64) -> f64 {
    if upper > 0.5 {
        return -student_quantile(1.0 - upper, df);
    }
    if upper >= 0.5 {
        return 0.0;
    }
    if !df.is_finite() {
        return -normal_quantile(upper);
    }
    // P(|T| > t) is a beta tail in x = df / (df + t^2), so t^2 = df (1 - x) / x.
    df.sqrt() * (-0.5 * beta_quantile_log_odds(2.0 * upper, df / 2.0, 0.5)).exp()
}

/// P(X > x) of the chi-square distribution with `df` > 0 degrees of freedom, by the incomplete gamma function (Abramowitz
/// and Stegun 1964, 26.4.19).
pub fn chi_square_upper_tail(x: f64, df: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    if (df - 1.0).abs() < f64::EPSILON {
        return erfc((x / 2.0).sqrt());
    }
    let (a, x) = (df / 2.0, x / 2.0);
    // x^a e^-x / Gamma(a + 1), the Poisson mass of a.
    let mass = (-stirling_error(a) - deviance(a, x) - 0.5 * (2.0 * PI * a).ln()).exp();
    if x < a + 1.0 {
        // Series for the lower tail (Abramowitz and Stegun 1964, 6.5.29).
        let (mut term, mut sum, mut k) = (1.0, 1.0, a);
        while term > sum * 1e-17 {
            k += 1.0;
            term *= x / k;
            sum += term;
        }
        1.0 - mass * sum
    } else {
        // Continued fraction for the upper tail (Abramowitz and Stegun 1964, 6.5.31).
        let mut b = x + 1.0 - a;
        let mut c = 1e300;
        let mut d = 1.0 / b;
        let mut h = d;
        for i in 1..100_000 {
            let i = f64::from(i);
            let an = -i * (i - a);
            b += 2.0;
            d = 1.0 / (an * d + b);
            c = b + an / c;
            h *= d * c;
            if (d * c - 1.0).abs() < 1e-16 {
                break;
            }
        }
        mass * a * h
    }
}

/// The root of a function that changes sign between `low` and `high`, to the last bit that bisection can tell.
pub(super) fn bisect(mut low: f64, mut high: f64, f: impl Fn(f64) -> f64) -> f64 {
    let rises = f(high) > 0.0;
    for _ in 0..400 {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            break;
        }
        if (f(middle) > 0.0) == rises {
            high = middle;
        } else {
            low = middle;
        }
    }
    low + (high - low) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(ours: f64, theirs: f64) {
        assert!((ours / theirs - 1.0).abs() < 1e-11, "{ours:e} is not {theirs:e}");
    }

    // The values are mpmath's, at 40 digits.
    #[test]
    fn tails_agree_with_forty_digit_arithmetic() {
        assert_close(normal_cdf(-1.96), 0.024_997_895_148_220_434);
        assert_close(normal_upper_tail(10.0), 7.619_853_024_160_526e-24);
        assert_close(student_two_sided(2.5, 3.7), 0.071_822_022_911_826_78);
        assert_close(student_two_sided(-50.0, 3.0), 1.761_715_204_127_197_4e-5);
        assert_close(student_two_sided(1.96, 9_999_999.0), 0.049_995_818_025_316_96);
        assert_close(student_two_sided(0.001, 12.0), 0.999_218_547_530_649_5);
        assert_close(chi_square_upper_tail(1000.0, 5.0), 6.010_077_687_920_804e-214);
        assert_close(chi_square_upper_tail(0.01, 7.0), 0.999_999_999_243_059);
        assert_close(chi_square_upper_tail(3.84, 1.0), 0.050_043_521_248_705_1);
        assert_close(chi_square_upper_tail(98.0, 100.0), 0.537_895_606_399_059_7);
        assert_close(chi_square_upper_tail(12_000.0, 10_000.0), 1.147_006_552_460_124_8e-40);
        assert_close(binomial_upper_tail(3, 10, 0.125), 0.119_502_153_247_594_83);
        assert_close(binomial_upper_tail(60, 100, 0.25), 1.326_834_674_358_738_2e-13);
        assert_close(binomial_upper_tail(5_010_000, 10_000_000, 0.5), 1.272_400_245_577_586_5e-10);
        assert_close(binomial_upper_tail(30, 10_000_000, 1e-6), 2.509_902_422_128_132e-7);
        assert_close(beta_quantile(0.025, 3.0, 80.0), 0.007_609_277_302_094_526);
        assert_close(beta_quantile(1e-20, 1.0, 5.0), 2e-21);
    }

    #[test]
    fn beta_tails_agree_with_thirty_digit_arithmetic() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/inference/beta_tails.csv");
        let text = std::fs::read_to_string(path).unwrap();
        let mut checked = 0;
        for line in text.lines().skip(1) {
            let v: Vec<f64> = line.split(',').map(|v| v.parse().unwrap()).collect();
            let (lower, upper) = beta_tails(v[2], 1.0 - v[2], v[0], v[1]);
            for (ours, theirs) in [(lower, v[3]), (upper, v[4])] {
                assert!((ours / theirs - 1.0).abs() < 1e-11, "{line}: {lower:e} {upper:e}");
                checked += 1;
            }
        }
        assert_eq!(checked, 240);
    }

    #[test]
    fn tails_end_at_zero_and_one() {
        assert_eq!((normal_quantile(0.0), normal_quantile(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
        assert_eq!(normal_quantile(0.5), 0.0);
        assert_eq!((binomial_upper_tail(0, 5, 0.3), binomial_upper_tail(6, 5, 0.3)), (1.0, 0.0));
        assert_eq!((binomial_upper_tail(5, 5, 1.0), binomial_lower_tail(4, 5, 1.0)), (1.0, 0.0));
        assert_eq!((beta_quantile(0.0, 2.0, 3.0), beta_quantile(1.0, 2.0, 3.0)), (0.0, 1.0));
        assert_eq!((student_two_sided(0.0, 4.0), student_quantile(0.5, 4.0)), (1.0, 0.0));
        assert_eq!(student_two_sided(1e200, 1.0), 0.0);
        assert_eq!(chi_square_upper_tail(0.0, 3.0), 1.0);
        assert_eq!(student_two_sided(1.3, f64::INFINITY), normal_two_sided(1.3));
    }

    #[test]
    fn the_minimum_likelihood_p_value_sums_every_count_that_is_no_likelier() {
        for (n, p) in [(12, 0.3), (25, 0.5), (40, 0.07), (9, 0.95)] {
            let mass: Vec<f64> = (0..=n).map(|k| ln_binomial_mass(k as f64, n as f64, p, 1.0 - p).exp()).collect();
            for x in 0..=n {
                let sum: f64 = mass.iter().filter(|m| **m <= mass[x as usize] * (1.0 + 1e-7)).sum();
                assert!((binomial_two_sided(x, n, p) - sum.min(1.0)).abs() < 1e-12, "{x} of {n}, {p}");
            }
        }
    }
}
