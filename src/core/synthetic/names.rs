//! Names of several communities, as skewed as real ones.
//!
//! A surname is drawn from its community's list, with weights that fall with the rank as 1 / (rank + 5)^0.75 (British) or
//! 1 / (rank + 3) (communities with few, very common surnames), or composed of two or three syllables: the long
//! tail, in which most surnames belong to few people. Forenames follow sex and, for British ones, generation.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::random::{Random, running_totals};

/// What a community's names, papers and addresses look like.
pub(super) struct Community {
    /// Share of the register's persons.
    share: f64,
    pub(super) ethnicity: &'static str,
    /// Nationality of those who are not British, and their share.
    pub(super) nationality: &'static str,
    pub(super) foreign_share: f64,
    surnames: &'static str,
    /// Share of surnames drawn from the list; the others are composed.
    listed_share: f64,
    syllables: &'static str,
    forenames: &'static str,
    /// Share of forenames drawn from the community's own list; the others are British ones of the generation.
    own_forename_share: f64,
    pub(super) middle_name_share: f64,
    /// Share recorded as born on 1 January because only the year is known.
    pub(super) first_of_january_share: f64,
    /// Does the community live mostly in the large cities?
    pub(super) is_urban: bool,
}

const fn community(share: f64, ethnicity: &'static str, nationality: &'static str, names: &'static str) -> Community {
    Community {
        share,
        ethnicity,
        nationality,
        foreign_share: 0.2,
        surnames: names,
        listed_share: 0.8,
        syllables: names,
        forenames: names,
        own_forename_share: 0.95,
        middle_name_share: 0.3,
        first_of_january_share: 0.02,
        is_urban: true,
    }
}

pub(super) static COMMUNITIES: [Community; 10] = [
    Community {
        foreign_share: 0.0,
        listed_share: 0.5,
        own_forename_share: 0.0,
        middle_name_share: 0.75,
        first_of_january_share: 0.001,
        is_urban: false,
        ..community(0.72, "White", "UK", "british")
    },
    Community {
        foreign_share: 0.4,
        listed_share: 0.85,
        syllables: "british",
        own_forename_share: 0.5,
        middle_name_share: 0.5,
        first_of_january_share: 0.002,
        is_urban: false,
        ..community(0.035, "White", "Irish", "irish")
    },
    Community {
        syllables: "british",
        own_forename_share: 0.35,
        middle_name_share: 0.6,
        first_of_january_share: 0.002,
        ..community(0.06, "Black", "Jamaican", "caribbean")
    },
    Community {
        foreign_share: 0.5,
        own_forename_share: 0.7,
        first_of_january_share: 0.06,
        ..community(0.045, "Black", "Nigerian", "african")
    },
    Community {
        listed_share: 0.85,
        syllables: "muslim",
        first_of_january_share: 0.03,
        ..community(0.05, "Asian", "Pakistani", "pakistani")
    },
    Community {
        listed_share: 0.85,
        syllables: "muslim",
        first_of_january_share: 0.06,
        ..community(0.014, "Asian", "Bangladeshi", "bangladeshi")
    },
    Community { middle_name_share: 0.5, ..community(0.022, "Asian", "Indian", "indian") },
    Community {
        foreign_share: 0.8,
        listed_share: 0.5,
        middle_name_share: 0.15,
        ..community(0.03, "White", "Polish", "eastern")
    },
    Community {
        foreign_share: 0.85,
        listed_share: 0.55,
        middle_name_share: 0.15,
        first_of_january_share: 0.005,
        ..community(0.014, "White", "Romanian", "eastern")
    },
    Community { foreign_share: 0.7, first_of_january_share: 0.08, ..community(0.01, "Other", "Vietnamese", "other") },
];

/// Names with the running totals of their weights.
#[derive(Default)]
struct List {
    names: Vec<&'static str>,
    totals: Vec<f64>,
}

impl List {
    fn draw(&self, random: &mut Random) -> &'static str {
        self.names.get(random.weighted(&self.totals)).copied().unwrap_or("SMITH")
    }
}

static LISTS: LazyLock<HashMap<&'static str, List>> = LazyLock::new(|| {
    let mut lists: HashMap<&'static str, List> = HashMap::new();
    let mut section = "";
    for line in include_str!("names.txt").lines().filter(|line| !line.starts_with('#')) {
        match line.strip_prefix("== ") {
            Some(name) => section = name,
            None => lists.entry(section).or_default().names.extend(line.split_ascii_whitespace()),
        }
    }
    for (section, list) in &mut lists {
        let weight = |rank: f64| match *section {
            "surnames british" | "surnames irish" | "surnames caribbean" => (rank + 5.0).powf(-0.75),
            section if section.starts_with("surnames") => (rank + 3.0).recip(),
            section if section.starts_with("male") || section.starts_with("female") => (rank + 3.0).powf(-0.8),
            // Syllables: nearly even, so that the tail is long.
            _ => (rank + 10.0).powf(-0.8),
        };
        list.totals = running_totals((1..=list.names.len()).map(|rank| weight(rank as f64)));
    }
    lists
});

/// The lists that one community draws from, looked up once.
pub(super) struct NameSource {
    pub(super) community: &'static Community,
    surnames: &'static List,
    stems: &'static List,
    middles: &'static List,
    endings: &'static List,
    /// Own forenames of women and men.
    own: [&'static List; 2],
    /// British forenames of women and men by generation.
    british: [[&'static List; 3]; 2],
    rare: [&'static List; 2],
}

/// All communities with the running totals of their shares.
pub(super) struct Names {
    sources: Vec<NameSource>,
    totals: Vec<f64>,
}

pub(super) static NAMES: LazyLock<Names> = LazyLock::new(|| {
    static EMPTY: LazyLock<List> = LazyLock::new(List::default);
    let list = |section: &str| LISTS.get(section).unwrap_or(&EMPTY);
    let by_sex = |kind: &str| [list(&format!("female {kind}")), list(&format!("male {kind}"))];
    let by_generation = |sex: &str| ["old", "middle", "young"].map(|age| list(&format!("{sex} british {age}")));
    let sources = COMMUNITIES.iter().map(|community| NameSource {
        community,
        surnames: list(&format!("surnames {}", community.surnames)),
        stems: list(&format!("stems {}", community.syllables)),
        middles: list(&format!("middles {}", community.syllables)),
        endings: list(&format!("endings {}", community.syllables)),
        own: by_sex(community.forenames),
        british: [by_generation("female"), by_generation("male")],
        rare: by_sex("rare"),
    });
    Names { sources: sources.collect(), totals: running_totals(COMMUNITIES.iter().map(|community| community.share)) }
});

impl Names {
    /// The community of a person.
    pub(super) fn community(&self, random: &mut Random) -> &NameSource {
        &self.sources[random.weighted(&self.totals)]
    }

    /// The likeliest community of somebody whose names are known: the first with this surname and forename, or with this surname.
    pub(super) fn of(&self, forename: &str, surname: &str) -> &NameSource {
        let has_surname = |source: &&NameSource| source.surnames.names.contains(&surname);
        let has_forename = |source: &&NameSource| {
            let british = source.british.iter().flatten().filter(|_| source.community.own_forename_share < 0.9);
            source.own.iter().chain(british).any(|list| list.names.contains(&forename))
        };
        let mut sources = self.sources.iter();
        let both = sources.clone().find(|source| has_surname(source) && has_forename(source));
        both.or_else(|| sources.find(has_surname)).unwrap_or(&self.sources[0])
    }
}

impl NameSource {
    /// A surname in capitals; 1.5 % of British ones are double-barrelled.
    pub(super) fn surname(&self, random: &mut Random) -> String {
        let surname = self.single_surname(random);
        if self.community.syllables == "british" && random.chance(0.015) {
            format!("{surname}-{}", self.single_surname(random))
        } else {
            surname
        }
    }

    fn single_surname(&self, random: &mut Random) -> String {
        if random.chance(self.community.listed_share) {
            return self.surnames.draw(random).to_owned();
        }
        let mut name = String::with_capacity(16);
        name.push_str(self.stems.draw(random));
        if random.chance(0.4) {
            name.push_str(self.middles.draw(random));
        }
        name.push_str(self.endings.draw(random));
        name
    }

    /// A forename in capitals for a person of this sex born in this year.
    pub(super) fn forename(&self, is_male: bool, birth_year: i16, random: &mut Random) -> &'static str {
        let sex = usize::from(is_male);
        if random.chance(0.015) {
            return self.rare[sex].draw(random);
        }
        if random.chance(self.community.own_forename_share) {
            return self.own[sex].draw(random);
        }
        let generation = match birth_year {
            ..1962 => 0,
            1962..1983 => 1,
            _ => 2,
        };
        self.british[sex][generation].draw(random)
    }

    /// A middle name in capitals, unlike the forename, or none.
    pub(super) fn middle_name(
        &self,
        forename: &str,
        is_male: bool,
        birth_year: i16,
        random: &mut Random,
    ) -> Option<&'static str> {
        if !random.chance(self.community.middle_name_share) {
            return None;
        }
        let middle = if self.community.surnames == "indian" {
            if is_male { "SINGH" } else { "KAUR" }
        } else {
            // Middle names are those of the parents' generation.
            self.forename(is_male, birth_year - 25, random)
        };
        Some(middle).filter(|middle| *middle != forename)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_section_a_community_names_is_there_and_large() {
        for source in &NAMES.sources {
            for list in [source.surnames, source.stems, source.middles, source.endings].iter().chain(&source.own) {
                // British forenames stand by generation; the list of own ones is not drawn from.
                assert!(list.names.len() >= 10 || source.community.own_forename_share == 0.0);
            }
            assert!(source.british.iter().flatten().chain(&source.rare).all(|list| list.names.len() >= 50));
        }
        let distinct = |prefix: &str| -> usize {
            let sections = LISTS.iter().filter(|(section, _)| section.starts_with(prefix));
            sections.flat_map(|(_, list)| &list.names).collect::<BTreeSet<_>>().len()
        };
        assert!(distinct("surnames") >= 400, "{}", distinct("surnames"));
        assert!(distinct("male") >= 300 && distinct("female") >= 300);
    }

    #[test]
    fn shares_add_up_to_one() {
        assert!((NAMES.totals.last().unwrap() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn names_are_capitals() {
        let mut random = Random::new(1, 0);
        for _ in 0..5_000 {
            let source = NAMES.community(&mut random);
            let surname = source.surname(&mut random);
            assert!(
                surname.len() >= 2 && surname.bytes().all(|c| c.is_ascii_uppercase() || b"'-".contains(&c)),
                "{surname}"
            );
            assert!(!source.forename(true, 1980, &mut random).is_empty());
        }
    }
}
