//! Which register persons are worth comparing with a submission? Blocking rules as 64-bit keys.
//!
//! Every register person has a handful of keys ([`register_keys`]), stored in one table `(key, person_id)` with a B-tree; a submission
//! probes it with its own keys ([`submission_keys`]). Nothing is joined with everything, and a changed person means a dozen changed
//! rows. Rules do not know which name is the forename: swapped names meet in the same block.
//!
//! A block can be huge (a common name, a hostel). [`BlockPolicy`] bounds it: read at most `max_block + 1` rows of a block, drop it if it
//! overflows, and take the smallest overflowing one only where nothing rarer was found. What is lost is a candidate whose *only*
//! agreement is a value shared by hundreds, which could not have been linked anyway.

use crate::calendar::Day;
use crate::linkage::key::KeyBuilder;
use crate::linkage::record::{PersonName, PncId, RegisterPerson, SubmittedPerson, parts};

/// A blocking rule. The order is the order of evidence: identifiers first, broad rules last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum BlockingRule {
    /// The PNC id without its letter. A submitted id with a wrong letter also probes every id one digit or one swap away that its
    /// letter fits: about four.
    PncId = 1,
    /// The prison number.
    PrisonNumber = 2,
    /// The CRO number.
    Cro = 3,
    /// A date of birth (any alias's; submitted: also with day and month swapped) and the first two letters of any name part.
    DobNamePrefix = 4,
    /// Forename and surname of one name, in either order.
    FullName = 5,
    /// The full postcode, unless it is a pseudo-code or an institution.
    Postcode = 6,
    /// Two letters of the forename, two of the surname, in either order, and two of the three parts of the date of birth: one part is wrong.
    NamePrefixesDobParts = 7,
    /// Nickname group, phonetic surname and year of birth.
    NicknameSurnameBirthYear = 8,
    /// Start of a sentence with two letters of the forename and two of the surname, in either order: the date of birth is wrong.
    SentenceStartNamePrefixes = 9,
}

impl BlockingRule {
    /// Every rule, in order.
    pub const ALL: [Self; 9] = [
        Self::PncId,
        Self::PrisonNumber,
        Self::Cro,
        Self::DobNamePrefix,
        Self::FullName,
        Self::Postcode,
        Self::NamePrefixesDobParts,
        Self::NicknameSurnameBirthYear,
        Self::SentenceStartNamePrefixes,
    ];

    fn key(self) -> KeyBuilder {
        KeyBuilder::new(self as u8)
    }
}

/// One key of a record under one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockingKey {
    /// The rule.
    pub rule: BlockingRule,
    /// The key; the rule is mixed in, so keys of all rules share one index. Postgres stores it as `bigint` (`as i64`).
    pub key: u64,
}

/// How large blocks are kept at bay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BlockPolicy {
    /// A block with more persons is not read.
    pub max_block: usize,
    /// Unless nothing else was found: then the smallest block is read if it has no more persons than this.
    pub max_last_resort: usize,
}

impl Default for BlockPolicy {
    /// 200: of so many people who share one value none can be told apart by less than another rule's worth of evidence.
    /// 2,000: the commonest full name of a register of 3.6 million is held by some 850 people, a hostel by hundreds.
    fn default() -> Self {
        Self { max_block: 200, max_last_resort: 2_000 }
    }
}

impl BlockPolicy {
    /// Which of a submission's blocks to read, given their sizes (which may be capped at `max_last_resort + 1`): their positions.
    ///
    /// ```
    /// use jdl_core::linkage::BlockPolicy;
    /// let policy = BlockPolicy { max_block: 10, max_last_resort: 50 };
    /// assert_eq!(policy.select(&[3, 11, 0, 10]), [0, 3]);
    /// assert_eq!(policy.select(&[40, 11, 60]), [1]);
    /// assert!(policy.select(&[51]).is_empty());
    /// ```
    pub fn select(&self, sizes: &[usize]) -> Vec<usize> {
        let within = |bound: usize| move |&(_, &size): &(usize, &usize)| size > 0 && size <= bound;
        let chosen: Vec<usize> = sizes.iter().enumerate().filter(within(self.max_block)).map(|(at, _)| at).collect();
        if !chosen.is_empty() {
            return chosen;
        }
        let smallest = sizes.iter().enumerate().filter(within(self.max_last_resort)).min_by_key(|&(_, &size)| size);
        smallest.map(|(at, _)| at).into_iter().collect()
    }
}

/// How many of a person's last sentences are keys together with an alias.
const ALIAS_SENTENCES: usize = 10;

/// The keys under which a person is found: about twelve, sorted, each once.
pub fn register_keys(person: &RegisterPerson<'_>) -> Vec<BlockingKey> {
    let mut keys = Vec::with_capacity(16);
    for id in &person.pnc_ids {
        push(&mut keys, BlockingRule::PncId, |k| k.number(id.body() as i64));
    }
    for number in &person.prison_numbers {
        push(&mut keys, BlockingRule::PrisonNumber, |k| k.text(number));
    }
    for cro in &person.cros {
        push(&mut keys, BlockingRule::Cro, |k| k.text(cro));
    }
    if let Some(full) = person.postcode.filter(|p| !p.pseudo && !p.institution).and_then(|p| p.full()) {
        push(&mut keys, BlockingRule::Postcode, |k| k.text(full));
    }
    // The recorded name goes with every date of birth, an alias with its own and the recorded one: three keys an alias where every name
    // with every date would be as many as the square. Likewise an alias goes with the last sentences only, the recorded name with all.
    let dobs: Vec<Day> = person.dobs().collect();
    name_keys(&mut keys, &person.name, &dobs);
    for alias in &person.aliases {
        let own: Vec<Day> = person.dob.into_iter().chain(alias.dob).collect();
        name_keys(&mut keys, &alias.name, &own);
    }
    let recent = &person.sentences[person.sentences.len().saturating_sub(ALIAS_SENTENCES)..];
    person.sentences.iter().for_each(|sentence| sentence_key(&mut keys, sentence.start, &person.name));
    for alias in &person.aliases {
        recent.iter().for_each(|sentence| sentence_key(&mut keys, sentence.start, &alias.name));
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// The keys to look a submission up with: about fifteen, sorted, each once.
pub fn submission_keys(person: &SubmittedPerson<'_>) -> Vec<BlockingKey> {
    let mut keys = Vec::with_capacity(24);
    if let Some(id) = person.pnc_id {
        for body in plausible_bodies(id) {
            push(&mut keys, BlockingRule::PncId, |k| k.number(body as i64));
        }
    }
    if let Some(number) = person.prison_number {
        push(&mut keys, BlockingRule::PrisonNumber, |k| k.text(number));
    }
    if let Some(cro) = person.cro {
        push(&mut keys, BlockingRule::Cro, |k| k.text(cro));
    }
    if let Some(full) = person.postcode.filter(|p| !p.pseudo && !p.institution).and_then(|p| p.full()) {
        push(&mut keys, BlockingRule::Postcode, |k| k.text(full));
    }
    let mut dobs: Vec<Day> = person.dob.into_iter().chain(person.dob_other_reading).collect();
    dobs.extend(person.dob.and_then(day_month_swapped));
    name_keys(&mut keys, &person.name, &dobs);
    if let Some(start) = person.sentence_start {
        sentence_key(&mut keys, start, &person.name);
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// The same day with day and month exchanged, where that is another valid day.
pub(crate) fn day_month_swapped(day: Day) -> Option<Day> {
    let (y, m, d) = day.ymd();
    if m == d { None } else { Day::from_ymd(y, d, m) }
}

/// Keys of one name with every date of birth it may go with.
fn name_keys(keys: &mut Vec<BlockingKey>, name: &PersonName<'_>, dobs: &[Day]) {
    let (forename, surname) = (name.forename, name.surname);
    if !forename.text.is_empty() && !surname.text.is_empty() {
        let (a, b) = in_order(forename.text, surname.text);
        push(keys, BlockingRule::FullName, |k| k.text(a).text(b));
    }
    for &dob in dobs {
        let (year, month, day) = dob.ymd();
        for letters in forename.parts().chain(parts(name.middle)).chain(surname.parts()).filter_map(prefix) {
            push(keys, BlockingRule::DobNamePrefix, |k| k.number(dob.0.into()).text(letters));
        }
        if let Some((a, b)) = prefixes(name) {
            let parts = [i64::from(year), i64::from(month), i64::from(day)];
            for (left_out, parts) in [(0, [parts[1], parts[2]]), (1, [parts[0], parts[2]]), (2, [parts[0], parts[1]])] {
                let key = |k: KeyBuilder| k.text(a).text(b).number(left_out).number(parts[0]).number(parts[1]);
                push(keys, BlockingRule::NamePrefixesDobParts, key);
            }
        }
        for group in forename.nickname_groups().filter(|_| !surname.phonetic.is_empty()) {
            push(keys, BlockingRule::NicknameSurnameBirthYear, |k| {
                k.number(group.into()).text(surname.phonetic).number(year.into())
            });
        }
    }
}

/// The register's PNC ids that a submitted one may stand for: itself, and if its letter is wrong those one slip away that the letter fits.
fn plausible_bodies(id: PncId) -> Vec<u64> {
    let mut bodies = vec![id.body()];
    if !id.is_letter_right() {
        let fits = |body: &u64| {
            let (year, serial) = ((body / 10_000_000) as u16, (body % 10_000_000) as u32);
            PncId::new(year, serial).is_some_and(|other| other.letter == id.letter)
        };
        bodies.extend(one_slip_away(id.body()).filter(fits));
    }
    bodies
}

/// Every eleven-digit number that differs in one digit or by one swap of neighbours.
fn one_slip_away(body: u64) -> impl Iterator<Item = u64> {
    (0..11).flat_map(move |place| {
        let unit = 10_u64.pow(place);
        let digit = body / unit % 10;
        let next = body / (unit * 10) % 10;
        let others = (0..10).filter(move |&d| d != digit).map(move |d| body - digit * unit + d * unit);
        let swap = (place < 10 && next != digit)
            .then(|| body - digit * unit - next * unit * 10 + next * unit + digit * unit * 10);
        others.chain(swap)
    })
}

fn push(keys: &mut Vec<BlockingKey>, rule: BlockingRule, build: impl FnOnce(KeyBuilder) -> KeyBuilder) {
    keys.push(BlockingKey { rule, key: build(rule.key()).finish() });
}

fn sentence_key(keys: &mut Vec<BlockingKey>, start: Day, name: &PersonName<'_>) {
    if let Some((a, b)) = prefixes(name) {
        push(keys, BlockingRule::SentenceStartNamePrefixes, |k| k.number(start.0.into()).text(a).text(b));
    }
}

/// The first two letters of forename and surname, in order of the alphabet.
fn prefixes<'a>(name: &PersonName<'a>) -> Option<(&'a str, &'a str)> {
    Some(in_order(prefix(name.forename.text)?, prefix(name.surname.text)?))
}

/// The first two letters; an initial has none.
fn prefix(text: &str) -> Option<&str> {
    text.get(..2)
}

fn in_order<'a>(a: &'a str, b: &'a str) -> (&'a str, &'a str) {
    if a <= b { (a, b) } else { (b, a) }
}

/// The blocks of a register held in memory: what the database's index is, for tests, benchmarks and small registers.
#[derive(Debug, Clone, Default)]
pub struct BlockIndex {
    /// (key, position in the register), sorted.
    rows: Vec<(u64, u32)>,
}

impl BlockIndex {
    /// Indexes `register`; persons are named by their position in it.
    pub fn new(register: &[RegisterPerson<'_>]) -> Self {
        use rayon::prelude::*;
        let mut rows: Vec<(u64, u32)> = register
            .par_iter()
            .enumerate()
            .flat_map_iter(|(at, person)| register_keys(person).into_iter().map(move |key| (key.key, at as u32)))
            .collect();
        rows.par_sort_unstable();
        Self { rows }
    }

    /// Rows held: keys times persons.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Is the register empty?
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The persons of one block.
    pub fn block(&self, key: u64) -> impl ExactSizeIterator<Item = u32> {
        let from = self.rows.partition_point(|row| row.0 < key);
        let len = self.rows[from..].partition_point(|row| row.0 == key);
        self.rows[from..from + len].iter().map(|row| row.1)
    }

    /// The candidates of one submission: positions in the register, sorted, each once.
    pub fn candidates(&self, submission: &SubmittedPerson<'_>, policy: &BlockPolicy) -> Vec<u32> {
        let keys = submission_keys(submission);
        let sizes: Vec<usize> = keys.iter().map(|key| self.block(key.key).len()).collect();
        let mut found: Vec<u32> = policy.select(&sizes).into_iter().flat_map(|at| self.block(keys[at].key)).collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::pnc;
    use crate::linkage::record::{Alias, Name, PncId, Postcode, Sentence};

    fn name<'a>(forename: &'a str, surname: &'a str) -> PersonName<'a> {
        let plain = |text| Name { text, ..Name::default() };
        PersonName { forename: plain(forename), middle: "", surname: plain(surname) }
    }

    fn meet(submitted: &SubmittedPerson<'_>, person: &RegisterPerson<'_>) -> Vec<BlockingRule> {
        let held = register_keys(person);
        submission_keys(submitted).into_iter().filter(|key| held.contains(key)).map(|key| key.rule).collect()
    }

    #[test]
    fn each_rule_brings_its_own_kind_of_error_together() {
        let dob = Day::from_ymd(1980, 3, 7);
        let person = RegisterPerson {
            name: name("JOHN", "SMITH"),
            dob,
            pnc_ids: pnc::parse("2002/0073319Z", 39).id().into_iter().collect(),
            postcode: Some(Postcode { text: "M1 1AA", pseudo: false, institution: false }),
            ..RegisterPerson::default()
        };
        let submitted = |name, dob| SubmittedPerson { name, dob, ..SubmittedPerson::default() };
        use BlockingRule as Rule;
        let parts = Rule::NamePrefixesDobParts;
        let all = [Rule::DobNamePrefix, Rule::DobNamePrefix, Rule::FullName, parts, parts, parts];
        assert_eq!(meet(&submitted(name("JOHN", "SMITH"), dob), &person), all);
        assert_eq!(meet(&submitted(name("SMITH", "JOHN"), dob), &person), all, "swapped names");
        let swapped = submitted(name("JOHN", "JONES"), Day::from_ymd(1980, 7, 3));
        assert_eq!(meet(&swapped, &person), [Rule::DobNamePrefix], "day and month swapped, surname changed");
        let wrong_year = submitted(name("JON", "SMYTH"), Day::from_ymd(1981, 3, 7));
        assert_eq!(meet(&wrong_year, &person), [parts]);
        let wrong_day = submitted(name("JON", "SMYTH"), Day::from_ymd(1980, 3, 17));
        assert_eq!(meet(&wrong_day, &person), [parts]);
        let mut moved = submitted(name("A", "B"), None);
        moved.postcode = person.postcode;
        assert_eq!(meet(&moved, &person), [Rule::Postcode]);
        moved.postcode = moved.postcode.map(|p| Postcode { institution: true, ..p });
        assert_eq!(meet(&moved, &person), []);
    }

    #[test]
    fn a_pnc_id_with_one_slip_still_finds_its_person() {
        let true_id = pnc::parse("2002/0073319Z", 39).id().unwrap();
        let held = register_keys(&RegisterPerson { pnc_ids: vec![true_id], ..RegisterPerson::default() });
        let mut found = 0;
        let slips: Vec<u64> = one_slip_away(true_id.body()).collect();
        for &body in &slips {
            let typed = PncId { year: (body / 10_000_000) as u16, serial: (body % 10_000_000) as u32, letter: 'Z' };
            let submitted = SubmittedPerson { pnc_id: Some(typed), ..SubmittedPerson::default() };
            found += usize::from(submission_keys(&submitted).iter().any(|key| held.contains(key)));
            assert!(submission_keys(&submitted).len() < 16);
        }
        // Only a slip in the century leaves the letter right, and then the id is another person's as far as anyone can tell.
        let century = slips.iter().filter(|&&body| body % 1_000_000_000 == true_id.body() % 1_000_000_000).count();
        assert_eq!(found + century, slips.len());
    }

    #[test]
    fn keys_of_a_person_of_hundreds_of_aliases_grow_with_the_aliases_and_find_each_of_them() {
        let names: Vec<String> = (0..300_u32).map(|n| format!("{}{}ZZ", letter(n), letter(n / 26))).collect();
        let person = RegisterPerson {
            name: name("ANN", "LEE"),
            dob: Day::from_ymd(1980, 3, 7),
            aliases: names
                .iter()
                .enumerate()
                .map(|(n, text)| Alias { name: name(text, "KAY"), dob: Some(Day(-9_000 + n as i32)) })
                .collect(),
            sentences: (0..200).map(|n| Sentence { start: Day(n * 30), end: None }).collect(),
            ..RegisterPerson::default()
        };
        let keys = register_keys(&person);
        assert!(keys.len() < 40 * 300, "{}", keys.len());
        let keys: std::collections::HashSet<BlockingKey> = keys.into_iter().collect();
        let found = |name: PersonName<'_>, dob| {
            let submitted = SubmittedPerson { name, dob, ..SubmittedPerson::default() };
            submission_keys(&submitted).iter().any(|key| keys.contains(key))
        };
        for alias in &person.aliases {
            // By the alias's name alone, by its date of birth with the recorded name, and by either date with a slip in the name.
            assert!(found(alias.name, None));
            assert!(found(name("ANN", "X"), alias.dob));
            for dob in [alias.dob, person.dob] {
                let slip = format!("{}Q", &alias.name.forename.text[..3]);
                assert!(found(name(&slip, "X"), dob));
            }
        }
    }

    fn letter(n: u32) -> char {
        char::from(b'A' + (n % 26) as u8)
    }

    #[test]
    fn an_overflowing_block_is_read_only_where_nothing_rarer_was_found() {
        let crowd: Vec<RegisterPerson<'_>> = (0..30)
            .map(|n| RegisterPerson {
                person_id: n,
                name: name("JOHN", "SMITH"),
                dob: Some(Day(n as i32 * 400)),
                ..RegisterPerson::default()
            })
            .collect();
        let index = BlockIndex::new(&crowd);
        let policy = BlockPolicy { max_block: 10, max_last_resort: 40 };
        let known = SubmittedPerson { name: name("JOHN", "SMITH"), dob: Some(Day(800)), ..SubmittedPerson::default() };
        assert_eq!(index.candidates(&known, &policy), [2]);
        let no_dob = SubmittedPerson { dob: None, ..known };
        assert_eq!(index.candidates(&no_dob, &policy).len(), 30);
        assert!(index.candidates(&no_dob, &BlockPolicy { max_last_resort: 20, ..policy }).is_empty());
    }
}
