//! A submission with everything that does not depend on the candidate worked out once.

use crate::calendar::Day;
use crate::linkage::blocking::day_month_swapped;
use crate::linkage::frequency::{Term, TermFrequencies};
use crate::linkage::record::{Gender, SubmittedPerson};

/// A submission ready to be compared.
pub(crate) struct Prepared<'a> {
    pub(crate) person: &'a SubmittedPerson<'a>,
    pub(crate) frequencies: &'a TermFrequencies,
    /// Share of the register with this forename, surname, and full name, as they stand and exchanged.
    pub(crate) as_recorded: NameShares,
    pub(crate) swapped: NameShares,
    /// Share of the register whose forename may stand for the submitted one.
    pub(crate) nickname_group_share: f64,
    pub(crate) initial_share: f64,
    pub(crate) dob: Option<PreparedDob>,
    pub(crate) gender_shares: [f64; 3],
    pub(crate) postcode_share: f64,
    pub(crate) district_share: f64,
    /// Probability that one given sentence starts on the submitted day.
    pub(crate) sentence_start_share: f64,
    /// One person's share of the register.
    pub(crate) one_person: f64,
}

/// Shares of the register for one reading of a name.
pub(crate) struct NameShares {
    pub(crate) forename: f64,
    pub(crate) surname: f64,
    pub(crate) full: f64,
}

pub(crate) struct PreparedDob {
    pub(crate) day: Day,
    pub(crate) digits: [u8; 8],
    pub(crate) share: f64,
    pub(crate) other_reading: Option<(Day, f64)>,
    pub(crate) swapped: Option<(Day, f64)>,
}

impl NameShares {
    fn new(forename: &str, surname: &str, frequencies: &TermFrequencies) -> Self {
        let (f, s) = (frequencies.share(Term::Forename(forename)), frequencies.share(Term::Surname(surname)));
        let persons = frequencies.persons.max(1) as f64;
        let held = f64::from(frequencies.count(Term::FullName(forename, surname)));
        Self { forename: f, surname: s, full: full_name_share(held, f * s, persons) }
    }
}

/// Share of strangers with a full name that `held` of `persons` persons hold: the mean of a Poisson rate whose prior is an exponential
/// about the product of the name's parts (Gamma with shape 1), the candidate itself left out. So the share of a name nobody else holds
/// is not zero, and that of a name commoner than its parts (or rarer) goes to its own count.
fn full_name_share(held: f64, product: f64, persons: f64) -> f64 {
    let others = (held - 1.0).max(0.0);
    ((others + 1.0) / (persons + 1.0 / product)).max(0.1 / persons)
}

impl<'a> Prepared<'a> {
    pub(crate) fn new(person: &'a SubmittedPerson<'a>, frequencies: &'a TermFrequencies) -> Self {
        let (forename, surname) = (person.name.forename, person.name.surname);
        let share = |term| frequencies.share(term);
        let with_share = |day: Day| (day, share(Term::Dob(day)));
        let postcode = person.postcode.filter(|p| !p.pseudo);
        let sentences_a_person = (frequencies.sentences as f64 / frequencies.persons.max(1) as f64).max(0.01);
        Self {
            person,
            frequencies,
            as_recorded: NameShares::new(forename.text, surname.text, frequencies),
            swapped: NameShares::new(surname.text, forename.text, frequencies),
            // A stranger's forename counts in its home group; it agrees if that is one of the submitted name's groups.
            nickname_group_share: forename
                .nickname_groups()
                .map(|group| share(Term::NicknameGroup(group)))
                .sum::<f64>()
                .min(1.0),
            initial_share: forename.text.bytes().next().map_or(1.0, |letter| share(Term::Initial(letter))),
            dob: person.dob.map(|day| PreparedDob {
                day,
                digits: digits(day),
                share: share(Term::Dob(day)),
                other_reading: person.dob_other_reading.map(with_share),
                swapped: day_month_swapped(day).map(with_share),
            }),
            gender_shares: [Gender::Female, Gender::Male, Gender::Other].map(|gender| share(Term::Gender(gender))),
            postcode_share: postcode.and_then(|p| p.full()).map_or(1.0, |full| share(Term::Postcode(full))),
            district_share: postcode.map_or(1.0, |p| share(Term::District(p.district()))),
            sentence_start_share: person
                .sentence_start
                .map_or(1.0, |start| share(Term::SentenceStart(start)) / sentences_a_person),
            one_person: 1.0 / frequencies.persons.max(1) as f64,
        }
    }
}

/// The eight digits of a date, `YYYYMMDD`.
pub(crate) fn digits(day: Day) -> [u8; 8] {
    let (y, m, d) = day.ymd();
    let mut rest =
        u32::from(y.unsigned_abs()) * 10_000 + u32::from(m.unsigned_abs()) * 100 + u32::from(d.unsigned_abs());
    let mut digits = [0; 8];
    for digit in digits.iter_mut().rev() {
        *digit = (rest % 10) as u8;
        rest /= 10;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_a_full_name_moves_from_the_product_to_its_own_count() {
        let n = 1e6;
        // Nobody else: the product, as long as it predicts less than one person.
        assert!((full_name_share(1.0, 2e-7, n) / (1.0 / 6e6) - 1.0).abs() < 1e-9);
        // Commoner than its parts: 236 holders in a million.
        assert!((full_name_share(237.0, 1e-6, n) / (237.0 / 2e6) - 1.0).abs() < 1e-9);
        // The floor: a tenth of a person.
        assert_eq!(full_name_share(0.0, 1e-12, n), 0.1 / n);
    }

    #[test]
    fn digits_stand_in_order() {
        assert_eq!(digits(Day::from_ymd(1987, 6, 5).unwrap()), [1, 9, 8, 7, 0, 6, 0, 5]);
    }
}
