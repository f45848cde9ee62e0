//! Cohorts: people of the register as a provider would send them, with the truth beside.

use std::collections::BTreeMap;

use super::career::follow_up;
use super::corruption::{
    swapped_birthday, title_case, typo, written_date, written_pnc_id, wrong_birthday, wrong_digit,
};
use super::names::{NAMES, NameSource};
use super::people::stranger;
use super::places::postcode;
use super::random::{Random, mix};
use super::register::{Alias, Person, Register, RegisterBlock, RegisterParams, Sentence};
use crate::Error;
use crate::Result;
use crate::calendar::Day;
use crate::identity::nickname;
use crate::identity::pnc::PncId;
use crate::number::Heartbeat;

/// One submitted record: DESIGN's cohort columns, as text in the formats of providers; `None` where the cell is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Submission {
    /// Forename.
    pub forename: Option<String>,
    /// Surname.
    pub surname: Option<String>,
    /// Date of birth.
    pub date_of_birth: Option<String>,
    /// Gender.
    pub gender: Option<String>,
    /// Postcode.
    pub postcode: Option<String>,
    /// PNC id.
    pub pnc_id: Option<String>,
    /// Prison number.
    pub prison_number: Option<String>,
    /// Start of the sentence.
    pub sentence_start: Option<String>,
    /// End of the sentence.
    pub sentence_end: Option<String>,
    /// Start of the provider's work with this person.
    pub intervention_start: Option<String>,
    /// End of it.
    pub intervention_end: Option<String>,
}

impl Submission {
    /// The columns of a provider's file, in order.
    pub const COLUMNS: [&'static str; 11] = [
        "forename",
        "surname",
        "date_of_birth",
        "gender",
        "postcode",
        "pnc_id",
        "prison_number",
        "sentence_start",
        "sentence_end",
        "intervention_start",
        "intervention_end",
    ];

    /// The cells in the order of [`Submission::COLUMNS`].
    pub fn cells(&self) -> [Option<&str>; 11] {
        [
            &self.forename,
            &self.surname,
            &self.date_of_birth,
            &self.gender,
            &self.postcode,
            &self.pnc_id,
            &self.prison_number,
            &self.sentence_start,
            &self.sentence_end,
            &self.intervention_start,
            &self.intervention_end,
        ]
        .map(|cell| cell.as_deref())
    }
}

macro_rules! tags {
    ($($tag:ident $text:literal $what:literal),* $(,)?) => {
        /// What was done to a record, or who an absent person is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Tag { $(#[doc = $what] $tag),* }

        impl Tag {
            /// Every tag.
            pub const ALL: &'static [Self] = &[$(Self::$tag),*];

            /// A short name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$tag => $text),* }
            }
        }
    };
}

tags! {
    AbsentStranger "absent_stranger" "Not on the register, and like nobody on it but by chance.",
    AbsentTwin "absent_twin" "Not on the register; a twin is.",
    AbsentChild "absent_child" "Not on the register; a parent or child of the same name is.",
    AbsentNamesake "absent_namesake" "Not on the register; somebody of the same name and date of birth is.",
    AliasUsed "alias_used" "Sent under a recorded alias.",
    SurnameChanged "surname_changed" "Sent under a surname that the register does not know.",
    Nickname "nickname" "Sent under a nickname.",
    Initial "initial" "Only the initial of the forename.",
    MiddleAsForename "middle_as_forename" "Sent under the middle name.",
    ForenameTypo "forename_typo" "Typing error in the forename.",
    SurnameTypo "surname_typo" "Typing error in the surname.",
    NamesSwapped "names_swapped" "Forename and surname exchanged.",
    BirthTypo "birth_typo" "Wrong date of birth.",
    BirthSwapped "birth_swapped" "Day and month of birth exchanged.",
    BirthFirstOfJanuary "birth_first_of_january" "1 January of the right year.",
    BirthMissing "birth_missing" "No date of birth.",
    GenderWrong "gender_wrong" "The other gender.",
    GenderMissing "gender_missing" "No gender.",
    PostcodeMoved "postcode_moved" "Another address.",
    PostcodeTypo "postcode_typo" "Wrong digit in the postcode.",
    PostcodeMissing "postcode_missing" "No postcode.",
    PncMissing "pnc_missing" "No PNC id.",
    PncTypo "pnc_typo" "Wrong digit in the PNC id.",
    PncNextRow "pnc_next_row" "The PNC id of the next person of the register.",
    PncStranger "pnc_stranger" "The PNC id of another person of the cohort.",
    PrisonNumberShared "prison_number_shared" "The prison number of another person of the cohort.",
    SentenceMissing "sentence_missing" "No sentence dates.",
    SentenceSlipped "sentence_slipped" "Sentence dates some days off.",
}

/// A submission and who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CohortRow {
    /// What the provider sends.
    pub submission: Submission,
    /// The person of the register; none for people who are not on it.
    pub person_id: Option<i64>,
    /// For a trap, the person of the register whom the absent person resembles.
    pub decoy_id: Option<i64>,
    /// What was done, in ascending order.
    pub tags: Vec<Tag>,
}

/// What a cohort should be like. Shares and probabilities are 0 to 1; each probability is that of its error befalling a record that can
/// suffer it, independently of the others.
#[derive(Debug, Clone, PartialEq)]
pub struct CohortParams {
    /// Submissions, at least 1.
    pub people: usize,
    /// Seed of everything.
    pub seed: u64,
    /// First year of index events (release from custody, sentence or caution).
    pub first_year: i16,
    /// Last year of index events.
    pub last_year: i16,
    /// Share of submissions whose person is not on the register.
    pub absent_share: f64,
    /// Share of those who have a twin, parent or namesake there.
    pub trap_share: f64,
    /// An alias is used, of those who have one.
    pub alias_used: f64,
    /// The surname is new; for women twice as often.
    pub surname_changed: f64,
    /// A nickname stands for the forename.
    pub nickname: f64,
    /// An initial stands for the forename.
    pub initial: f64,
    /// The middle name stands for the forename.
    pub middle_as_forename: f64,
    /// Typing error in the forename.
    pub forename_typo: f64,
    /// Typing error in the surname.
    pub surname_typo: f64,
    /// Names exchanged.
    pub names_swapped: f64,
    /// Wrong date of birth.
    pub birth_typo: f64,
    /// Day and month exchanged.
    pub birth_swapped: f64,
    /// 1 January stands for the date of birth.
    pub birth_first_of_january: f64,
    /// No date of birth.
    pub birth_missing: f64,
    /// Wrong gender.
    pub gender_wrong: f64,
    /// No gender.
    pub gender_missing: f64,
    /// Another address than the register's.
    pub postcode_moved: f64,
    /// Wrong digit in the postcode.
    pub postcode_typo: f64,
    /// No postcode.
    pub postcode_missing: f64,
    /// No PNC id although the person has one.
    pub pnc_missing: f64,
    /// Wrong digit in the PNC id.
    pub pnc_typo: f64,
    /// The next person's PNC id.
    pub pnc_next_row: f64,
    /// Another submission's PNC id.
    pub pnc_stranger: f64,
    /// No prison number although the person has one.
    pub prison_number_missing: f64,
    /// Another submission's prison number.
    pub prison_number_shared: f64,
    /// No sentence dates.
    pub sentence_missing: f64,
    /// Sentence dates up to two weeks off.
    pub sentence_slipped: f64,
}

impl CohortParams {
    /// A cohort of the usual kind: 40 % without PNC id, 10 % not on the register, half of those resembling somebody who is.
    pub fn new(people: usize, seed: u64) -> Self {
        Self {
            people,
            seed,
            first_year: 2005,
            last_year: 2010,
            absent_share: 0.1,
            trap_share: 0.5,
            alias_used: 0.4,
            surname_changed: 0.012,
            nickname: 0.04,
            initial: 0.013,
            middle_as_forename: 0.018,
            forename_typo: 0.04,
            surname_typo: 0.05,
            names_swapped: 0.015,
            birth_typo: 0.027,
            birth_swapped: 0.02,
            birth_first_of_january: 0.005,
            birth_missing: 0.005,
            gender_wrong: 0.005,
            gender_missing: 0.02,
            postcode_moved: 0.3,
            postcode_typo: 0.02,
            postcode_missing: 0.1,
            pnc_missing: 0.4,
            pnc_typo: 0.015,
            pnc_next_row: 0.005,
            pnc_stranger: 0.004,
            prison_number_missing: 0.5,
            prison_number_shared: 0.004,
            sentence_missing: 0.3,
            sentence_slipped: 0.1,
        }
    }

    /// People sent as the register has them: nobody absent, no error, nothing missing.
    pub fn clean(people: usize, seed: u64) -> Self {
        let mut params = Self::new(people, seed);
        for (_, share) in params.shares() {
            *share = 0.0;
        }
        params
    }

    /// Checks the parameters.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where a parameter is out of range.
    pub fn check(mut self) -> Result<CohortPlan> {
        if self.people == 0 {
            return Err(Error::invalid("people", "must be at least 1"));
        }
        if self.first_year > self.last_year {
            return Err(Error::invalid("first_year", "must not lie behind last_year"));
        }
        for (field, share) in self.shares() {
            if !(0.0..=1.0).contains(share) {
                return Err(Error::invalid(field, "must be between 0 and 1"));
            }
        }
        Ok(CohortPlan(self))
    }

    fn shares(&mut self) -> [(&'static str, &mut f64); 27] {
        [
            ("absent_share", &mut self.absent_share),
            ("trap_share", &mut self.trap_share),
            ("alias_used", &mut self.alias_used),
            ("surname_changed", &mut self.surname_changed),
            ("nickname", &mut self.nickname),
            ("initial", &mut self.initial),
            ("middle_as_forename", &mut self.middle_as_forename),
            ("forename_typo", &mut self.forename_typo),
            ("surname_typo", &mut self.surname_typo),
            ("names_swapped", &mut self.names_swapped),
            ("birth_typo", &mut self.birth_typo),
            ("birth_swapped", &mut self.birth_swapped),
            ("birth_first_of_january", &mut self.birth_first_of_january),
            ("birth_missing", &mut self.birth_missing),
            ("gender_wrong", &mut self.gender_wrong),
            ("gender_missing", &mut self.gender_missing),
            ("postcode_moved", &mut self.postcode_moved),
            ("postcode_typo", &mut self.postcode_typo),
            ("postcode_missing", &mut self.postcode_missing),
            ("pnc_missing", &mut self.pnc_missing),
            ("pnc_typo", &mut self.pnc_typo),
            ("pnc_next_row", &mut self.pnc_next_row),
            ("pnc_stranger", &mut self.pnc_stranger),
            ("prison_number_missing", &mut self.prison_number_missing),
            ("prison_number_shared", &mut self.prison_number_shared),
            ("sentence_missing", &mut self.sentence_missing),
            ("sentence_slipped", &mut self.sentence_slipped),
        ]
    }
}

/// Checked [`CohortParams`].
#[derive(Debug, Clone, PartialEq)]
pub struct CohortPlan(CohortParams);

impl CohortPlan {
    /// What it was made from.
    pub fn params(&self) -> &CohortParams {
        &self.0
    }

    /// Submissions of people who are not on the register, and how many of them resemble somebody.
    fn absent(&self) -> (usize, usize) {
        let share_of = |n: usize, share: f64| ((n as f64) * share).round() as usize;
        let absent = share_of(self.0.people, self.0.absent_share);
        (absent, share_of(absent, self.0.trap_share))
    }
}

/// A cohort from a register that is made on the way.
///
/// # Errors
/// [`Error::TooFew`] where the register has too few persons with an index event in the plan's years.
pub fn cohort(plan: &CohortPlan, register: &Register, heartbeat: Heartbeat<'_>) -> Result<Vec<CohortRow>> {
    let mut picker = CohortPicker::new(plan.clone());
    register.stream(heartbeat, |block| {
        picker.offer(&block);
        Ok(())
    })?;
    picker.finish()
}

/// Picks people from a register that passes by in blocks, holding no more of it than the cohort needs.
///
/// Who is picked, and what happens to the record, depends on the plan and the person alone and not on the order of the
/// blocks (the next row's PNC id is that of the next person in the block).
pub struct CohortPicker {
    plan: CohortPlan,
    /// How many to keep: those present and those whom traps resemble.
    need: usize,
    eligible: usize,
    /// The persons with the smallest hashes so far.
    kept: BTreeMap<(u64, i64), Candidate>,
}

struct Candidate {
    person: Person,
    aliases: Vec<Alias>,
    /// Index events in the plan's years.
    sentences: Vec<Sentence>,
    next_pnc_id: Option<String>,
}

impl CohortPicker {
    /// An empty picker.
    pub fn new(plan: CohortPlan) -> Self {
        let (absent, traps) = plan.absent();
        Self { need: plan.0.people - absent + traps, plan, eligible: 0, kept: BTreeMap::new() }
    }

    /// Considers the persons of a block, whose lists must be in the order of `person_id`.
    pub fn offer(&mut self, block: &RegisterBlock) {
        let years = self.plan.0.first_year..=self.plan.0.last_year;
        let (mut aliases, mut sentences) = (block.aliases.as_slice(), block.sentences.as_slice());
        for (position, person) in block.persons.iter().enumerate() {
            let own_aliases = split_own(&mut aliases, person.person_id, |alias| alias.person_id);
            let own_sentences = split_own(&mut sentences, person.person_id, |sentence| sentence.person_id);
            let is_index = |sentence: &&Sentence| years.contains(&follow_up(sentence).start().year());
            if !own_sentences.iter().any(|sentence| is_index(&sentence)) {
                continue;
            }
            self.eligible += 1;
            let key = (mix(self.plan.0.seed, person.person_id as u64), person.person_id);
            let is_full = self.kept.len() >= self.need;
            if is_full && self.kept.last_key_value().is_none_or(|(last, _)| key >= *last) {
                continue;
            }
            let candidate = Candidate {
                person: person.clone(),
                aliases: own_aliases.to_vec(),
                sentences: own_sentences.iter().filter(is_index).cloned().collect(),
                next_pnc_id: block.persons.get(position + 1).and_then(|next| next.pnc_id.clone()),
            };
            self.kept.insert(key, candidate);
            if is_full {
                self.kept.pop_last();
            }
        }
    }

    /// The cohort, in an order that says nothing about the register.
    ///
    /// # Errors
    /// [`Error::TooFew`] where too few persons with an index event in the plan's years were offered.
    pub fn finish(self) -> Result<Vec<CohortRow>> {
        let params = &self.plan.0;
        if self.kept.len() < self.need {
            return Err(Error::too_few("persons with an index event in these years", self.kept.len(), self.need));
        }
        let (absent, traps) = self.plan.absent();
        let candidates: Vec<Candidate> = self.kept.into_values().collect();
        let (present, decoys) = candidates.split_at(params.people - absent);
        let mut rows = Vec::with_capacity(params.people);
        for (position, candidate) in present.iter().enumerate() {
            let random = Random::new(params.seed ^ 0x00C0_4027, candidate.person.person_id as u64);
            // The one before in the order of the hashes: anybody.
            let other = position.checked_sub(1).and_then(|before| present.get(before)).map(|other| &other.person);
            rows.push(Scribe { params, random, tags: Vec::new() }.present(candidate, other));
        }
        for decoy in decoys {
            let random = Random::new(params.seed ^ 0x00AB_5E27, decoy.person.person_id as u64);
            rows.push(Scribe { params, random, tags: Vec::new() }.trap(decoy));
        }
        for number in 0..absent - traps {
            let random = Random::new(params.seed ^ 0x0057_4A49, number as u64);
            rows.push(Scribe { params, random, tags: Vec::new() }.stranger());
        }
        let mut order: Vec<(u64, usize)> =
            (0..rows.len()).map(|n| (mix(params.seed ^ 0x0A0D_E400, n as u64), n)).collect();
        order.sort_unstable();
        let mut rows: Vec<Option<CohortRow>> = rows.into_iter().map(Some).collect();
        Ok(order.into_iter().filter_map(|(_, n)| rows[n].take()).collect())
    }
}

/// Takes the rows of one person off the front of a list that is in the order of `person_id`.
fn split_own<'a, T>(rows: &mut &'a [T], person_id: i64, owner: impl Fn(&T) -> i64) -> &'a [T] {
    let from = rows.partition_point(|row| owner(row) < person_id);
    let to = rows.partition_point(|row| owner(row) <= person_id);
    let own = &rows[from..to];
    *rows = &rows[to..];
    own
}

/// What the provider knows of somebody, before errors.
struct Known {
    forename: String,
    middle_name: Option<String>,
    surname: String,
    born: Day,
    is_male: bool,
    postcode: Option<String>,
    pnc_id: Option<String>,
    prison_number: Option<String>,
    sentence_start: Day,
    sentence_end: Option<Day>,
}

/// Writes one record.
struct Scribe<'a> {
    params: &'a CohortParams,
    random: Random,
    tags: Vec<Tag>,
}

impl Scribe<'_> {
    fn present(mut self, candidate: &Candidate, other: Option<&Person>) -> CohortRow {
        let Candidate { person, aliases, sentences, next_pnc_id } = candidate;
        let names = NAMES.of(&person.forename, &person.surname);
        let index = self.random.pick(sentences);
        let mut known = Known {
            forename: person.forename.clone(),
            middle_name: person.middle_name.clone(),
            surname: person.surname.clone(),
            born: person.date_of_birth,
            is_male: person.gender == "M",
            postcode: person.postcode.clone(),
            pnc_id: person.pnc_id.clone(),
            prison_number: person.prison_number.clone(),
            sentence_start: index.map_or(person.date_of_birth, |index| index.start_date),
            sentence_end: index.and_then(|index| index.end_date),
        };
        if !aliases.is_empty()
            && self.befalls(self.params.alias_used, Tag::AliasUsed)
            && let Some(alias) = self.random.pick(aliases)
        {
            known.forename.clone_from(&alias.forename);
            known.surname.clone_from(&alias.surname);
            known.born = alias.date_of_birth;
        }
        if known.pnc_id.is_some() {
            if next_pnc_id.is_some() && self.befalls(self.params.pnc_next_row, Tag::PncNextRow) {
                known.pnc_id.clone_from(next_pnc_id);
            } else if let Some(Person { pnc_id: Some(others), .. }) = other
                && self.befalls(self.params.pnc_stranger, Tag::PncStranger)
            {
                known.pnc_id = Some(others.clone());
            }
        }
        if known.prison_number.is_some()
            && let Some(Person { prison_number: Some(others), .. }) = other
            && self.befalls(self.params.prison_number_shared, Tag::PrisonNumberShared)
        {
            known.prison_number = Some(others.clone());
        }
        self.row(known, names, Some(person.person_id), None)
    }

    /// Somebody who is not on the register but whose twin, parent or namesake is.
    fn trap(mut self, decoy: &Candidate) -> CohortRow {
        let person = &decoy.person;
        let names = NAMES.of(&person.forename, &person.surname);
        let mut known = self.unknown_person(names);
        known.surname.clone_from(&person.surname);
        known.is_male = person.gender == "M";
        match self.random.below(20) {
            0..8 => {
                self.tags.push(Tag::AbsentTwin);
                known.born = person.date_of_birth;
                known.postcode.clone_from(&person.postcode);
                // Another forename of the same sex: the harder twin. Rare names make sure that one is found.
                while known.forename == person.forename {
                    known.forename = names.forename(known.is_male, known.born.year(), &mut self.random).to_owned();
                }
            }
            8..17 => {
                self.tags.push(Tag::AbsentChild);
                known.forename.clone_from(&person.forename);
                let days = self.random.between(18 * 365, 35 * 365);
                let child = person.date_of_birth.plus_days(days);
                let is_too_young = known.sentence_start.age_of(child) < 14;
                known.born = if is_too_young { person.date_of_birth.plus_days(-days) } else { child };
                if self.random.chance(0.6) {
                    known.postcode.clone_from(&person.postcode);
                }
            }
            _ => {
                self.tags.push(Tag::AbsentNamesake);
                known.forename.clone_from(&person.forename);
                known.born = person.date_of_birth;
            }
        }
        self.row(known, names, None, Some(person.person_id))
    }

    fn stranger(mut self) -> CohortRow {
        self.tags.push(Tag::AbsentStranger);
        let names = NAMES.community(&mut self.random);
        let known = self.unknown_person(names);
        self.row(known, names, None, None)
    }

    /// Somebody made up, whose identifiers no register of this generator holds: PNC ids of the years before it, and
    /// prison numbers of later series.
    fn unknown_person(&mut self, names: &'static NameSource) -> Known {
        let random = &mut self.random;
        let years = RegisterParams {
            first_year: self.params.first_year,
            last_year: self.params.last_year,
            ..RegisterParams::new(1, 0)
        };
        let made_up = stranger(&years, random);
        let pnc_id = PncId::new(random.between(1975, 1979) as u16, random.between(1, 999_999) as u32);
        let letter = |random: &mut Random| char::from(b'A' + random.below(26) as u8);
        let prison_number = format!("{}{:04}E{}", letter(random), random.between(1, 9_999), letter(random));
        let is_custody = random.chance(0.4);
        let year = made_up.born.year();
        let forename = names.forename(made_up.is_male, year, random);
        Known {
            forename: forename.to_owned(),
            middle_name: names.middle_name(forename, made_up.is_male, year, random).map(str::to_owned),
            surname: names.surname(random),
            born: made_up.born,
            is_male: made_up.is_male,
            postcode: made_up.postcode,
            pnc_id: pnc_id.map(|id| id.to_string()),
            prison_number: is_custody.then_some(prison_number),
            sentence_start: made_up.onset,
            sentence_end: random.chance(0.6).then(|| made_up.onset.plus_days(random.between(30, 700))),
        }
    }

    /// Does an error befall the record? If so, notes it.
    fn befalls(&mut self, probability: f64, tag: Tag) -> bool {
        let is_so = self.random.chance(probability);
        if is_so {
            self.tags.push(tag);
        }
        is_so
    }

    /// Errors and formats.
    fn row(mut self, mut known: Known, names: &NameSource, person_id: Option<i64>, decoy_id: Option<i64>) -> CohortRow {
        self.spoil_names(&mut known, names);
        let mut submission = Submission {
            date_of_birth: self.birthday(&known),
            gender: self.gender(&known),
            postcode: self.postcode(&known, names),
            pnc_id: self.pnc_id(&known),
            prison_number: self.prison_number(&known),
            ..Submission::default()
        };
        self.write_dates(&known, &mut submission);
        let case = self.random.below(10);
        let cased = |name: String| match case {
            0..6 => title_case(&name),
            6..9 => name,
            _ => name.to_lowercase(),
        };
        submission.forename = Some(cased(known.forename));
        submission.surname = Some(cased(known.surname));
        self.tags.sort_unstable();
        CohortRow { submission, person_id, decoy_id, tags: self.tags }
    }

    fn spoil_names(&mut self, known: &mut Known, names: &NameSource) {
        let p = self.params;
        let surname_changed = if known.is_male { p.surname_changed } else { (2.0 * p.surname_changed).min(1.0) };
        if self.befalls(surname_changed, Tag::SurnameChanged) {
            known.surname = names.surname(&mut self.random);
        }
        let nicknames = nickname::variants(&known.forename);
        if let Some(nickname) = self.random.pick(&nicknames)
            && self.befalls(p.nickname, Tag::Nickname)
        {
            known.forename = (*nickname).to_owned();
        } else if self.befalls(p.initial, Tag::Initial) {
            known.forename.truncate(1);
        } else if let Some(middle_name) = &known.middle_name
            && self.random.chance(p.middle_as_forename)
        {
            self.tags.push(Tag::MiddleAsForename);
            known.forename.clone_from(middle_name);
        }
        if known.forename.len() > 1 && self.befalls(p.forename_typo, Tag::ForenameTypo) {
            known.forename = typo(&known.forename, &mut self.random);
        }
        if self.befalls(p.surname_typo, Tag::SurnameTypo) {
            known.surname = typo(&known.surname, &mut self.random);
        }
        if self.befalls(p.names_swapped, Tag::NamesSwapped) {
            std::mem::swap(&mut known.forename, &mut known.surname);
        }
    }

    fn birthday(&mut self, known: &Known) -> Option<String> {
        let p = self.params;
        if self.befalls(p.birth_missing, Tag::BirthMissing) {
            return None;
        }
        let first_of_january = Day::from_ymd(known.born.year(), 1, 1).filter(|day| *day != known.born);
        let day = if self.befalls(p.birth_typo, Tag::BirthTypo) {
            wrong_birthday(known.born, &mut self.random)
        } else if let Some(swapped) = swapped_birthday(known.born)
            && self.befalls(p.birth_swapped, Tag::BirthSwapped)
        {
            swapped
        } else if let Some(day) = first_of_january
            && self.befalls(p.birth_first_of_january, Tag::BirthFirstOfJanuary)
        {
            day
        } else {
            known.born
        };
        Some(written_date(day, &mut self.random))
    }

    fn gender(&mut self, known: &Known) -> Option<String> {
        if self.befalls(self.params.gender_missing, Tag::GenderMissing) {
            return None;
        }
        let is_male = known.is_male != self.befalls(self.params.gender_wrong, Tag::GenderWrong);
        let words = if is_male { ["M", "Male", "male", "1"] } else { ["F", "Female", "female", "2"] };
        self.random.pick(&words).map(|word| (*word).to_owned())
    }

    fn postcode(&mut self, known: &Known, names: &NameSource) -> Option<String> {
        let p = self.params;
        let mut code = known.postcode.clone()?;
        if self.befalls(p.postcode_missing, Tag::PostcodeMissing) {
            return None;
        }
        if self.befalls(p.postcode_moved, Tag::PostcodeMoved) {
            code = postcode(names.community.is_urban, &mut self.random);
        }
        if self.befalls(p.postcode_typo, Tag::PostcodeTypo) {
            code = wrong_digit(&code, &mut self.random);
        }
        Some(match self.random.below(10) {
            0 => code.replace(' ', ""),
            1 => code.to_lowercase(),
            _ => code,
        })
    }

    fn pnc_id(&mut self, known: &Known) -> Option<String> {
        let id = known.pnc_id.as_deref()?;
        if self.befalls(self.params.pnc_missing, Tag::PncMissing) {
            return None;
        }
        let written = written_pnc_id(id, &mut self.random);
        let is_spoilt = self.befalls(self.params.pnc_typo, Tag::PncTypo);
        Some(if is_spoilt { wrong_digit(&written, &mut self.random) } else { written })
    }

    fn prison_number(&mut self, known: &Known) -> Option<String> {
        let number = known.prison_number.clone()?;
        (!self.random.chance(self.params.prison_number_missing))
            .then(|| if self.random.chance(0.1) { number.to_lowercase() } else { number })
    }

    /// Sentence dates as the provider has them, and the intervention: inside the sentence, or begun up to two months behind it.
    fn write_dates(&mut self, known: &Known, submission: &mut Submission) {
        let p = self.params;
        let (start, end) = (known.sentence_start, known.sentence_end);
        let random = &mut self.random;
        let intervention = match end {
            Some(end) if random.chance(0.8) => start.plus_days(random.between(0, end.days_since(start))),
            Some(end) => end.plus_days(random.between(0, 60)),
            None => start.plus_days(random.between(0, 90)),
        };
        submission.intervention_start = Some(written_date(intervention, random));
        let days = random.between(14, 180);
        submission.intervention_end = random.chance(0.7).then(|| written_date(intervention.plus_days(days), random));
        if self.befalls(p.sentence_missing, Tag::SentenceMissing) {
            return;
        }
        let slip = if self.befalls(p.sentence_slipped, Tag::SentenceSlipped) { self.random.between(1, 14) } else { 0 };
        let slip = if self.random.chance(0.5) { slip } else { -slip };
        submission.sentence_start = Some(written_date(start.plus_days(slip), &mut self.random));
        submission.sentence_end = end.map(|end| written_date(end.plus_days(slip), &mut self.random));
    }
}
