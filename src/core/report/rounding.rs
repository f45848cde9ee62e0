//! Notices where printed digits do not add up, so that a reader who checks them finds the reason beside them.

use crate::report::figure::{Rounded, Style, count, finite};
use crate::report::result::{MeasureKey, ProfileBlock, StoredResult};

/// Every notice that the printed digits of `result` call for.
pub(crate) fn notices(result: &StoredResult) -> Vec<String> {
    let mut out = Vec::new();
    for measure in &result.measures {
        let style = Style::of(measure, &result.rules);
        let level = |value| finite(value).map(|v| style.level(v));
        let (Some(treatment), Some(comparison), Some(difference)) = (
            level(measure.treatment.value),
            level(measure.comparison.value),
            style.estimate(&measure.difference).value,
        ) else {
            continue;
        };
        if !treatment.minus_is(comparison, difference) {
            out.push(format!(
                "{}: each number is rounded on its own, so {} less {} is not exactly the printed difference of {}.",
                measure.label,
                style.with_unit(treatment),
                style.with_unit(comparison),
                style.difference_with_unit(difference),
            ));
        }
    }
    out.extend(result.profile.iter().filter_map(|block| profile(result, block)));
    out.extend(linkage(result));
    out.extend(funnel(result));
    out.extend(curves(result));
    out
}

fn profile(result: &StoredResult, block: &ProfileBlock) -> Option<String> {
    let style = Style::share(&result.rules);
    let shares: Option<Vec<Rounded>> =
        block.rows.iter().map(|row| finite(row.share).map(|share| style.level(share))).collect();
    let sum: f64 = shares.filter(|s| !s.is_empty())?.into_iter().map(Rounded::value).sum();
    let printed = Rounded::visible(sum, 0);
    let adds_up = (sum - 100.0).abs() < 1e-9;
    (!adds_up).then(|| format!("{}: the printed shares are rounded one by one and add up to {printed}%.", block.label))
}

fn linkage(result: &StoredResult) -> Option<String> {
    let link = &result.linkage;
    let parts = link.linked?.checked_add(link.suspect?)?.checked_add(link.unlinked?)?;
    let submitted = link.submitted?;
    (parts != submitted).then(|| {
        format!(
            "Linkage: counts are rounded one by one, so the parts add up to {} and not to the {} submitted.",
            count(parts),
            count(submitted)
        )
    })
}

fn funnel(result: &StoredResult) -> Option<String> {
    let broken = result.funnel.windows(2).any(|pair| {
        let (Some(before), Some(after), Some(lost)) = (pair[0].remaining, pair[1].remaining, pair[1].lost) else {
            return false;
        };
        after.checked_add(lost) != Some(before)
    });
    broken.then(|| {
        "From submitted to matched: counts are rounded one by one, so the steps do not add up exactly.".to_owned()
    })
}

fn curves(result: &StoredResult) -> Option<String> {
    let style = Style::share(&result.rules);
    let last = result.curves.points.last()?;
    let rate = result.measures.iter().find(|m| m.key == MeasureKey::ReoffendingRate)?;
    let apart = |curve: Option<f64>, value: Option<f64>| matches!((finite(curve), finite(value)), (Some(c), Some(v)) if style.level(c) != style.level(v));
    (apart(last.treatment, rate.treatment.value) || apart(last.comparison, rate.comparison.value)).then(|| {
        "Curves of re-offending: they are rounded, or censored, on their own and do not end exactly at the printed rates."
            .to_owned()
    })
}
