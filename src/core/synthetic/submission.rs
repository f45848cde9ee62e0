//! A submitted record and what is true of it.

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
    AbsentSibling "absent_sibling" "Not on the register; a brother or sister is.",
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
    PncMissing "pnc_missing" "No PNC id although the person has one.",
    PncTypo "pnc_typo" "Wrong digit in the PNC id.",
    PncNextRow "pnc_next_row" "The PNC id of the next person of the register.",
    PncStranger "pnc_stranger" "The PNC id of another person of the cohort.",
    PrisonNumberMissing "prison_number_missing" "No prison number although the person has one.",
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
