//! Every value of `tests/data/inference/stats_reference.csv` (R, scipy, mpmath) against the core's own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::float_cmp, reason = "tests may fail loudly")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jdl_core::inference::*;
use serde_json::Value;

/// Relative tolerance, and that of the quantities that come from a root finder or another iteration.
const CLOSE: f64 = 1e-9;
const ITERATED: f64 = 1e-7;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/inference")
}

/// One line of a CSV file with quoted fields.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => {
                // A doubled quote closes and reopens: the second one stands for itself.
                quoted = !quoted;
                if quoted && fields.last().unwrap().ends_with('\u{1}') {
                    fields.last_mut().unwrap().pop();
                    fields.last_mut().unwrap().push('"');
                } else if !quoted {
                    fields.last_mut().unwrap().push('\u{1}');
                }
            }
            ',' if !quoted => fields.push(String::new()),
            _ => fields.last_mut().unwrap().push(c),
        }
    }
    fields.into_iter().map(|f| f.replace('\u{1}', "")).collect()
}

struct Input(Value);

impl Input {
    fn f(&self, name: &str) -> f64 {
        self.0[name].as_f64().unwrap_or_else(|| panic!("{name} in {}", self.0))
    }
    fn u(&self, name: &str) -> u64 {
        let value = self.f(name);
        assert!(value >= 0.0 && value.fract() == 0.0);
        value as u64
    }
    fn list(&self, name: &str) -> Vec<f64> {
        self.0[name].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
    }
    fn confidence(&self) -> Confidence {
        Confidence::new(self.f("conf")).unwrap()
    }
    fn two(&self) -> (Proportion, Proportion, Confidence) {
        let p = |x, n| Proportion::new(self.u(x), self.u(n)).unwrap();
        (p("x1", "n1"), p("x2", "n2"), self.confidence())
    }
    fn exposures(&self) -> (Exposure, Exposure, Confidence) {
        let e = |x, t| Exposure::new(self.u(x), self.f(t)).unwrap();
        (e("x1", "t1"), e("x2", "t2"), self.confidence())
    }
    fn summaries(&self) -> (SampleSummary, SampleSummary, Confidence) {
        let s = |m, sd, n| SampleSummary::new(self.f(m), self.f(sd), self.u(n)).unwrap();
        (s("mean1", "sd1", "n1"), s("mean2", "sd2", "n2"), self.confidence())
    }
    /// Risk tables of group 0 and group 1.
    fn risk_tables(&self) -> [RiskTable; 2] {
        if self.0.get("ev1").is_some() {
            let times = self.list("time");
            return ["0", "1"].map(|g| {
                let (events, censored) = (self.list(&format!("ev{g}")), self.list(&format!("ce{g}")));
                RiskTable::from_counts((0..times.len()).map(|i| (times[i], events[i], censored[i])).collect()).unwrap()
            });
        }
        let (time, status, group) = if let Some(file) = self.0.get("file") {
            let name = Path::new(file.as_str().unwrap()).file_name().unwrap();
            let text = fs::read_to_string(folder().join(name)).unwrap();
            let rows: Vec<Vec<f64>> =
                text.lines().skip(1).map(|l| l.split(',').map(|v| v.parse().unwrap()).collect()).collect();
            assert_eq!(text.lines().next().unwrap().replace('"', ""), "time,status,group");
            let column = |i: usize| rows.iter().map(|r| r[i]).collect::<Vec<f64>>();
            (column(0), column(1), column(2))
        } else {
            (self.list("time"), self.list("status"), self.list("group"))
        };
        [0.0, 1.0].map(|g| {
            let of = |v: &[f64]| -> Vec<f64> { (0..v.len()).filter(|&i| group[i] == g).map(|i| v[i]).collect() };
            let events: Vec<bool> = of(&status).iter().map(|s| *s == 1.0).collect();
            let times = of(&time);
            RiskTable::new(&times, &events, &vec![1.0; times.len()]).unwrap()
        })
    }
}

type Answers = Vec<(String, Option<f64>)>;

fn answers<const N: usize>(list: [(&str, Option<f64>); N]) -> Answers {
    list.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn ratio_answers(name: &str, ratio: Ratio) -> Answers {
    answers([
        (name, ratio.ratio.ok()),
        ("se_log", ratio.standard_error_log.ok()),
        ("conf_low", ratio.interval.ok().map(|i| i.low)),
        ("conf_high", ratio.interval.ok().map(|i| i.high)),
    ])
}

fn compute(function: &str, input: &Input) -> Answers {
    match function {
        "wilson" | "clopper_pearson" => {
            let p = Proportion::new(input.u("x"), input.u("n")).unwrap();
            let i = if function == "wilson" { wilson } else { clopper_pearson }(p, input.confidence());
            answers([("estimate", Some(p.rate())), ("conf_low", Some(i.low)), ("conf_high", Some(i.high))])
        }
        "diff_wald" => {
            let (a, b, c) = input.two();
            let d = diff_wald(a, b, c);
            answers([
                ("diff", Some(d.difference)),
                ("se", Some(d.standard_error)),
                ("conf_low", Some(d.interval.low)),
                ("conf_high", Some(d.interval.high)),
            ])
        }
        "z_test_unpooled" | "z_test_pooled" => {
            let (a, b, c) = input.two();
            let test = if function == "z_test_pooled" { z_test_pooled } else { z_test_unpooled }(a, b).ok();
            // The table prints a standard error of 0 where the test does not exist.
            let se = test.map_or_else(|| diff_wald(a, b, c).standard_error, |t| t.standard_error);
            answers([("se", Some(se)), ("z", test.map(|t| t.z)), ("p_value", test.map(|t| t.p_value))])
        }
        "diff_newcombe10" => {
            let (a, b, c) = input.two();
            let i = diff_newcombe(a, b, c);
            answers([("diff", Some(a.rate() - b.rate())), ("conf_low", Some(i.low)), ("conf_high", Some(i.high))])
        }
        "nnt" => {
            let (a, b, c) = input.two();
            let wald = diff_wald(a, b, c);
            let by_wald = number_needed_to_treat(wald.difference, wald.interval);
            let by_newcombe = number_needed_to_treat(wald.difference, diff_newcombe(a, b, c));
            answers([
                ("nnt", by_wald.number.ok()),
                ("wald_conf_low", by_wald.interval.ok().map(|i| i.low)),
                ("wald_conf_high", by_wald.interval.ok().map(|i| i.high)),
                ("newcombe_conf_low", by_newcombe.interval.ok().map(|i| i.low)),
                ("newcombe_conf_high", by_newcombe.interval.ok().map(|i| i.high)),
            ])
        }
        "chisq_no_yates" | "chisq_yates" => {
            let (a, b, _) = input.two();
            let continuity = if function == "chisq_yates" { Continuity::Yates } else { Continuity::Uncorrected };
            let test = chi_square(a, b, continuity).ok();
            answers([("statistic", test.map(|t| t.statistic)), ("df", Some(1.0)), ("p_value", test.map(|t| t.p_value))])
        }
        "fisher" => {
            let (a, b, c) = input.two();
            let test = fisher_exact(a, b, c);
            answers([
                ("p_value", Some(test.p_value)),
                ("estimate", test.odds_ratio.ok()),
                ("conf_low", test.low.ok()),
                ("conf_high", test.high.ok()),
            ])
        }
        "risk_ratio_katz" | "risk_ratio_add_half" => {
            let (a, b, c) = input.two();
            ratio_answers("rr", if function == "risk_ratio_katz" { risk_ratio } else { risk_ratio_add_half }(a, b, c))
        }
        "odds_ratio_woolf" | "odds_ratio_add_half" => {
            let (a, b, c) = input.two();
            ratio_answers("or", if function == "odds_ratio_woolf" { odds_ratio } else { odds_ratio_add_half }(a, b, c))
        }
        "mcnemar" => {
            let test = mcnemar(input.u("b"), input.u("c")).ok();
            answers([
                ("statistic_cc", test.map(|t| t.statistic_corrected)),
                ("p_cc", test.map(|t| t.p_corrected)),
                ("statistic_nocc", test.map(|t| t.statistic)),
                ("p_nocc", test.map(|t| t.p_value)),
                ("p_exact", test.map(|t| t.p_exact)),
            ])
        }
        "welch_t" => {
            let (a, b, c) = input.summaries();
            let test = welch(a, b, c).ok();
            answers([
                ("diff", Some(test.map_or(input.f("mean1") - input.f("mean2"), |t| t.difference))),
                ("se", test.map(|t| t.standard_error)),
                ("t", test.map(|t| t.t)),
                ("df", test.map(|t| t.degrees_of_freedom)),
                ("p_value", test.map(|t| t.p_value)),
                ("conf_low", test.map(|t| t.interval.low)),
                ("conf_high", test.map(|t| t.interval.high)),
            ])
        }
        "weighted_welch_neff" => {
            let (x, w1, y, w2) = (input.list("x"), input.list("w1"), input.list("y"), input.list("w2"));
            let w = weighted_welch(Sample::new(&x, &w1).unwrap(), Sample::new(&y, &w2).unwrap(), Confidence::P95);
            let test = w.test.ok();
            answers([
                ("mean1", Some(w.means[0])),
                ("mean2", Some(w.means[1])),
                ("neff1", Some(w.effective_n[0])),
                ("neff2", Some(w.effective_n[1])),
                ("var1", w.variances[0].ok()),
                ("var2", w.variances[1].ok()),
                ("diff", Some(w.difference)),
                ("se", test.map(|t| t.standard_error)),
                ("t", test.map(|t| t.t)),
                ("df", test.map(|t| t.degrees_of_freedom)),
                ("p_value", test.map(|t| t.p_value)),
                ("conf_low", test.map(|t| t.interval.low)),
                ("conf_high", test.map(|t| t.interval.high)),
            ])
        }
        "weighted_mean_diff_robust" => {
            let (x, w1, y, w2) = (input.list("x"), input.list("w1"), input.list("y"), input.list("w2"));
            let d = weighted_mean_difference(Sample::new(&x, &w1).unwrap(), Sample::new(&y, &w2).unwrap());
            answers([
                ("diff", Some(d.difference)),
                ("se_hc0", d.standard_error.ok()),
                ("z", d.z.ok()),
                ("p_value", d.p_value.ok()),
                ("se_survey", d.standard_error_survey.ok()),
            ])
        }
        "mann_whitney" => {
            let test = if input.0.get("level").is_some() {
                let (a, b) = (input.list("n1"), input.list("n2"));
                let levels: Vec<(u64, u64)> = a.iter().zip(&b).map(|(&a, &b)| (a as u64, b as u64)).collect();
                mann_whitney_counts(&levels)
            } else {
                mann_whitney(&input.list("x"), &input.list("y"))
            }
            .unwrap();
            answers([
                ("W", Some(test.w)),
                ("auc", Some(test.probability_larger)),
                ("z_nocc", test.z.ok()),
                ("p_nocc", test.p_value.ok()),
                ("z_cc", test.z_corrected.ok()),
                ("p_cc", test.p_corrected.ok()),
                ("p_exact", test.p_exact.ok()),
            ])
        }
        "poisson_rr_wald" => {
            let (a, b, c) = input.exposures();
            let (ratio, p_value) = poisson_rate_ratio(a, b, c);
            let z = ratio.standard_error_log.ok().map(|se| ratio.ratio.unwrap().ln() / se);
            let mut all = ratio_answers("rr", ratio);
            all.extend(answers([("z", z), ("p_value", p_value.ok())]));
            all
        }
        "poisson_rr_exact" => {
            let (a, b, c) = input.exposures();
            let test = poisson_rate_ratio_exact(a, b, c).ok();
            answers([
                ("p_value", test.map(|t| t.p_value)),
                ("conf_low", test.map(|t| t.low)),
                ("conf_high", test.and_then(|t| t.high.ok())),
            ])
        }
        "negbin_rr" => {
            let group = |y: &str, t: &str| -> Vec<CountObservation> {
                let y = input.list(y);
                let t = if input.0.get(t).is_some() { input.list(t) } else { vec![1.0; y.len()] };
                y.iter().zip(&t).map(|(&y, &time)| CountObservation { events: y as u32, time }).collect()
            };
            let fit = negative_binomial_rate_ratio(&group("y1", "t1"), &group("y2", "t2"), Confidence::P95);
            let fit = fit.unwrap().ok();
            answers([
                ("log_rr", fit.map(|f| f.log_rate_ratio)),
                ("rr", fit.map(|f| f.rate_ratio)),
                ("se", fit.map(|f| f.standard_error_log)),
                ("theta", fit.map(|f| f.theta)),
                ("p_value", fit.map(|f| f.p_value)),
                ("conf_low", fit.map(|f| f.interval.low)),
                ("conf_high", fit.map(|f| f.interval.high)),
                ("loglik", fit.map(|f| f.log_likelihood)),
            ])
        }
        "hedges_g" => {
            let (a, b, c) = input.summaries();
            let g = hedges_g(a, b, c).ok();
            answers([
                ("d", g.map(|g| g.d)),
                ("sd_pooled", g.map(|g| g.pooled_standard_deviation)),
                ("J", g.map(|g| g.correction)),
                ("g", g.map(|g| g.g)),
                ("J_approx", g.map(|g| g.correction_approximate)),
                ("g_approx", g.map(|g| g.correction_approximate * g.d)),
                ("var", g.map(|g| g.variance)),
                ("conf_low", g.map(|g| g.interval.low)),
                ("conf_high", g.map(|g| g.interval.high)),
            ])
        }
        "rosenbaum_binary" => {
            let (b, c, gamma) = (input.u("b"), input.u("c"), input.f("gamma"));
            let bound = rosenbaum_binary(b, c, gamma).unwrap().ok();
            // rbounds counts strictly more than the larger number.
            let strict = |p: f64| bound.map(|_| binomial_upper_tail(b.max(c) + 1, b + c, p));
            answers([
                ("p_upper", bound.map(|b| b.p_upper)),
                ("p_lower", bound.map(|b| b.p_lower)),
                ("rbounds_p_upper", strict(gamma / (1.0 + gamma))),
                ("rbounds_p_lower", strict(1.0 / (1.0 + gamma))),
            ])
        }
        "rosenbaum_wilcoxon" => {
            let bound = rosenbaum_wilcoxon(&input.list("diff"), input.f("gamma")).unwrap().ok();
            answers([
                ("T", bound.map(|b| b.statistic)),
                ("p_upper", bound.map(|b| b.p_upper)),
                ("p_lower", bound.map(|b| b.p_lower)),
            ])
        }
        "e_value_rr" => {
            let limits = match (input.0["lo"].as_f64(), input.0["hi"].as_f64()) {
                (Some(low), Some(high)) => Ok(Interval { low, high }),
                _ => Err(Absent::LimitNotGiven),
            };
            let e = e_value(input.f("rr"), limits).unwrap();
            answers([("e_point", e.estimate.ok()), ("e_ci", e.interval.ok())])
        }
        "power_two_prop" | "power_two_prop_arcsine" => {
            let (p, n, alpha) = ([input.f("p1"), input.f("p2")], [input.f("n1"), input.f("n2")], input.f("alpha"));
            if function == "power_two_prop" {
                answers([
                    ("power", power_two_rates(p, n, alpha).ok()),
                    ("power_strict", power_two_rates_strict(p, n, alpha).ok()),
                ])
            } else {
                answers([("h", arcsine_effect(p).ok()), ("power", power_two_rates_arcsine(p, n, alpha).ok())])
            }
        }
        "mde_two_prop" => {
            let p1 = input.f("p1");
            let n = [input.f("n1"), input.f("n2")];
            let found = detectable_rate(p1, n, input.f("power"), input.f("alpha")).unwrap();
            answers([
                ("p2_above", found.above.ok()),
                ("mde_above", found.above.ok().map(|p| p - p1)),
                ("p2_below", found.below.ok()),
                ("mde_below", found.below.ok().map(|p| p - p1)),
            ])
        }
        "mde_two_prop_arcsine" => {
            let n = [input.f("n1"), input.f("n2")];
            let (h, found) = detectable_rate_arcsine(input.f("p1"), n, input.f("power"), input.f("alpha")).unwrap();
            answers([("h", h.ok()), ("p2_above", found.above.ok()), ("p2_below", found.below.ok())])
        }
        "p_adjust" => {
            let p: Vec<Option<f64>> = input.0["p"].as_array().unwrap().iter().map(Value::as_f64).collect();
            let (holm, bh) = (holm(&p), benjamini_hochberg(&p));
            let mut all = answers([("length", Some(holm.len() as f64))]);
            for i in 0..p.len() {
                all.push((format!("holm[{}]", i + 1), holm[i]));
                all.push((format!("bh[{}]", i + 1), bh[i]));
            }
            all
        }
        "meta_dl" => {
            let m = dersimonian_laird(&input.list("y"), &input.list("v"), Confidence::P95).unwrap();
            answers([
                ("fixed", Some(m.fixed)),
                ("fixed_se", Some(m.fixed_standard_error)),
                ("Q", Some(m.q)),
                ("Q_df", Some(m.q_degrees_of_freedom as f64)),
                ("Q_p", m.q_p_value.ok()),
                ("tau2", Some(m.tau_squared)),
                ("I2_percent", Some(m.i_squared_percent)),
                ("estimate", Some(m.estimate)),
                ("se", Some(m.standard_error)),
                ("z", Some(m.z)),
                ("p_value", Some(m.p_value)),
                ("conf_low", Some(m.interval.low)),
                ("conf_high", Some(m.interval.high)),
            ])
        }
        "logrank" => {
            let [zero, one] = input.risk_tables();
            let test = log_rank(&one, &zero);
            answers([
                ("obs1", Some(test.observed[0])),
                ("exp1", Some(test.expected[0])),
                ("obs0", Some(test.observed[1])),
                ("exp0", Some(test.expected[1])),
                ("var", Some(test.variance)),
                ("chisq", test.statistic.ok()),
                ("p_value", test.p_value.ok()),
            ])
        }
        "rossi_cox" => {
            // The data set of the matching tests, which holds the covariates that `surv_rossi.csv` lacks.
            let text = fs::read_to_string(folder().join("../matching/data/rossi.csv")).unwrap();
            let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
            let column = |name: &str| -> Vec<f64> {
                let at = rows[0].iter().position(|n| *n == name).unwrap();
                let number = |word: &str| match word {
                    "black" | "yes" | "married" => 1.0,
                    "other" | "no" | "not married" => 0.0,
                    number => number.parse().unwrap(),
                };
                rows[1..].iter().map(|row| number(row[at])).collect()
            };
            let formula = input.0["formula"].as_str().unwrap().split_once(" ~ ").unwrap().1;
            let covariates: Vec<Vec<f64>> = formula.split(" + ").map(column).collect();
            let covariates: Vec<&[f64]> = covariates.iter().map(Vec::as_slice).collect();
            let (time, event) = (column("week"), column("arrest"));
            let event: Vec<bool> = event.iter().map(|e| *e == 1.0).collect();
            let ties = if input.0["ties"] == "efron" { Ties::Efron } else { Ties::Breslow };
            let n = time.len();
            let (weight, cluster) = (vec![1.0; n], vec![None; n]);
            let sample = CoxSample::new(&time, &event, &weight, &cluster, &covariates).unwrap();
            let fit = cox_regression(sample, ties).unwrap();
            let fin = fit.coefficients[0];
            let ratio = fin.hazard_ratio(fin.standard_error, Confidence::P95);
            answers([
                ("coef_fin", Some(fin.coefficient)),
                ("hr", Some(ratio.ratio)),
                ("se", Some(fin.standard_error)),
                ("z", Some(ratio.z)),
                ("p_value", Some(ratio.p_value)),
                ("conf_low", Some(ratio.interval.low)),
                ("conf_high", Some(ratio.interval.high)),
                ("loglik0", Some(fit.log_likelihood_null)),
                ("loglik", Some(fit.log_likelihood)),
                ("score_test", Some(fit.score_test)),
                ("lr_test", Some(fit.likelihood_ratio)),
            ])
        }
        "kaplan_meier" => {
            let table = &input.risk_tables()[input.u("at_group") as usize];
            let at = |kind| table.curve(&[input.f("at_time")], kind, Confidence::P95)[0];
            let (log, log_log, plain) =
                (at(SurvivalInterval::Log), at(SurvivalInterval::LogLog), at(SurvivalInterval::Plain));
            answers([
                ("n_risk", Some(log.at_risk)),
                ("surv", Some(log.survival)),
                ("std_err", log.standard_error.ok()),
                ("log_low", log.interval.ok().map(|i| i.low)),
                ("log_high", log.interval.ok().map(|i| i.high)),
                ("loglog_low", log_log.interval.ok().map(|i| i.low)),
                ("loglog_high", log_log.interval.ok().map(|i| i.high)),
                ("plain_low", plain.interval.ok().map(|i| i.low)),
                ("plain_high", plain.interval.ok().map(|i| i.high)),
            ])
        }
        other => panic!("no function of the core answers to {other}"),
    }
}

/// The functions of the table that the core has; each must have been checked against at least one value.
const FUNCTIONS: [&str; 31] = [
    "wilson",
    "clopper_pearson",
    "diff_wald",
    "z_test_unpooled",
    "z_test_pooled",
    "diff_newcombe10",
    "nnt",
    "chisq_no_yates",
    "chisq_yates",
    "fisher",
    "risk_ratio_katz",
    "odds_ratio_woolf",
    "risk_ratio_add_half",
    "odds_ratio_add_half",
    "mcnemar",
    "welch_t",
    "weighted_welch_neff",
    "weighted_mean_diff_robust",
    "mann_whitney",
    "poisson_rr_wald",
    "poisson_rr_exact",
    "negbin_rr",
    "hedges_g",
    "rosenbaum_binary",
    "rosenbaum_wilcoxon",
    "e_value_rr",
    "power_two_prop",
    "power_two_prop_arcsine",
    "mde_two_prop",
    "mde_two_prop_arcsine",
    "p_adjust",
];
const MORE_FUNCTIONS: [&str; 4] = ["meta_dl", "logrank", "kaplan_meier", "rossi_cox"];

fn tolerance(function: &str, quantity: &str) -> f64 {
    match function {
        "fisher" if quantity != "p_value" => ITERATED,
        "mde_two_prop" | "mde_two_prop_arcsine" | "negbin_rr" | "rossi_cox" => ITERATED,
        _ => CLOSE,
    }
}

#[test]
fn every_reference_value_is_reproduced() {
    let text = fs::read_to_string(folder().join("stats_reference.csv")).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next().unwrap(), "function,case_id,input,quantity,value,source,reason");
    let mut checked: BTreeMap<&str, (usize, usize, f64)> =
        FUNCTIONS.iter().chain(&MORE_FUNCTIONS).map(|f| (*f, (0, 0, 0.0))).collect();
    let mut last: (String, Answers) = (String::new(), Vec::new());
    let mut wrong = Vec::new();
    let (mut rows, mut left_out) = (0, BTreeMap::<&str, usize>::new());
    for line in lines {
        let row = fields(line);
        let [function, case, input, quantity, value, _source, reason] = &row[..] else { panic!("{line}") };
        rows += 1;
        // What the README beside the file says is not compared, and how much of it there is: nothing else is left out.
        let left = if quantity.starts_with("r_") {
            Some("r_*: as R's own root finders return it, beside the exact value")
        } else {
            reason.starts_with("not computed").then_some("not computed by the reference")
        };
        if let Some(why) = left {
            *left_out.entry(why).or_default() += 1;
            continue;
        }
        let key = format!("{function} {input}");
        if last.0 != key {
            last = (key, compute(function, &Input(serde_json::from_str(input).unwrap())));
        }
        let ours = last.1.iter().find(|a| a.0 == *quantity);
        let ours = ours.unwrap_or_else(|| panic!("{function} does not compute {quantity}")).1;
        let (count, absent, worst) = checked.get_mut(function.as_str()).expect("a function of the list");
        *count += 1;
        match (ours, value.as_str()) {
            (None, "NA" | "Inf" | "-Inf") => *absent += 1,
            (Some(ours), theirs) if theirs != "NA" && !theirs.ends_with("Inf") => {
                let theirs: f64 = theirs.parse().unwrap();
                let relative = if ours == theirs { 0.0 } else { (ours - theirs).abs() / theirs.abs() };
                *worst = worst.max(relative);
                if relative.is_nan() || relative > tolerance(function, quantity) {
                    wrong.push(format!(
                        "{function} {case} {quantity}: {ours:e}, reference {theirs:e}, off by {relative:e}"
                    ));
                }
            }
            (ours, theirs) => wrong.push(format!("{function} {case} {quantity}: {ours:?}, reference {theirs}")),
        }
    }
    for (function, (count, absent, worst)) in &checked {
        println!("{function:26} {count:5} values ({absent:3} absent), largest relative difference {worst:.1e}");
        assert!(*count > 0, "{function} was not checked");
    }
    let compared: usize = checked.values().map(|c| c.0).sum();
    println!("{compared} values of {rows}; left out: {left_out:?}");
    assert_eq!((rows, compared, left_out.into_values().collect::<Vec<_>>()), (3806, 3715, vec![4, 87]));
    assert!(wrong.is_empty(), "{} values differ:\n{}", wrong.len(), wrong.join("\n"));
}
