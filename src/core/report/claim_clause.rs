//! The clauses of a claim: what is a change, a direction, a cause, a hedge.

use crate::report::claim_words::{Kind, Token, tokens};

/// A part of a sentence that says one thing.
#[derive(Debug, Clone)]
pub(crate) struct Clause {
    pub tokens: Vec<Token>,
    /// Its words, with a blank before, between and behind; numbers are "#".
    line: String,
}

/// The clauses of `text`, with the names of provider and service taken out: what they are called is not a claim.
pub(crate) fn clauses(text: &str, names: &[&str]) -> Vec<Clause> {
    let mut plain = text.to_owned();
    for name in names.iter().filter(|name| !name.trim().is_empty()) {
        plain = without(&plain, name);
    }
    let mut parts = vec![String::new()];
    let chars: Vec<char> = plain.chars().collect();
    for (n, c) in chars.iter().enumerate() {
        let ends = match c {
            '.' | '!' | '?' => chars.get(n + 1).is_none_or(|next| next.is_whitespace() || *next == '"'),
            ';' | '\n' => true,
            _ => false,
        };
        if ends {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(*c);
        }
    }
    let turns = ["but", "although", "though", "however", "yet", "whereas"];
    parts
        .iter()
        .flat_map(|part| {
            let tokens = tokens(part);
            tokens
                .split(|t| matches!(t, Token::Word(w) if turns.contains(&w.as_str())))
                .map(Clause::of)
                .collect::<Vec<_>>()
        })
        .filter(|clause| !clause.tokens.is_empty())
        .collect()
}

/// `text` with each occurrence of `name`, whatever its case, replaced by "the service".
fn without(text: &str, name: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let same = |a: char, b: char| a.to_lowercase().eq(b.to_lowercase());
    let mut out = String::new();
    let mut at = 0;
    while at < chars.len() {
        let here = chars[at..].len() >= name.len() && chars[at..].iter().zip(&name).all(|(a, b)| same(*a, *b));
        if here {
            out.push_str("the service");
            at += name.len();
        } else {
            out.push(chars[at]);
            at += 1;
        }
    }
    out
}

/// Words of less, of more (for days: sooner and later), and words that make either a statement about re-offending.
const LESS: [&str; 37] = [
    "lower",
    "lowers",
    "lowered",
    "less",
    "fewer",
    "reduce",
    "reduces",
    "reduced",
    "reducing",
    "reduction",
    "reductions",
    "cut",
    "cuts",
    "cutting",
    "fell",
    "fall",
    "falls",
    "drop",
    "dropped",
    "drops",
    "decrease",
    "decreased",
    "decreases",
    "prevents",
    "prevented",
    "improvement",
    "slash",
    "slashes",
    "slashed",
    "down",
    "reoffend less",
    "reoffended less",
    "right direction",
    "promising",
    "encouraging",
    "positive result",
    "positive results",
];
const MORE: [&str; 16] = [
    "higher",
    "raised",
    "raises",
    "increase",
    "increases",
    "increased",
    "rise",
    "rises",
    "rose",
    "more",
    "worse",
    "greater",
    "worsened",
    "up by",
    "is up",
    "wrong direction",
];
const OUTCOME: [&str; 26] = [
    "reoffend",
    "reoffended",
    "reoffends",
    "reoffending",
    "reoffender",
    "reoffenders",
    "reoffence",
    "reoffences",
    "offend",
    "offended",
    "offending",
    "offence",
    "offences",
    "crime",
    "crimes",
    "convicted",
    "reconviction",
    "reconvictions",
    "reconvicted",
    "custody",
    "custodial",
    "rate",
    "rates",
    "likely",
    "recidivism",
    "likelihood",
];

impl Clause {
    fn of(tokens: &[Token]) -> Self {
        let mut line = " ".to_owned();
        for token in tokens {
            match token {
                Token::Word(word) => line.push_str(word),
                Token::Number { .. } => line.push('#'),
            }
            line.push(' ');
        }
        Self { tokens: tokens.to_vec(), line }
    }

    /// The first of `words` (or phrases, with single blanks) that is in the clause.
    pub fn any_of<'a>(&self, words: &[&'a str]) -> Option<&'a str> {
        words.iter().copied().find(|word| self.line.contains(&format!(" {word} ")))
    }

    pub fn has_any(&self, words: &[&str]) -> bool {
        self.any_of(words).is_some()
    }

    pub fn has_percent(&self) -> bool {
        self.tokens.iter().any(|t| matches!(t, Token::Number { kind: Kind::Percent, .. }))
    }

    fn word(&self, at: Option<usize>) -> &str {
        match at.and_then(|at| self.tokens.get(at)) {
            Some(Token::Word(word)) => word,
            _ => "",
        }
    }

    /// Whether the number at `at` is the size of a change: "by 26%", "a 26% reduction", "26% less likely".
    pub fn is_change(&self, at: usize) -> bool {
        let changes = |word: &str| {
            LESS.contains(&word)
                || MORE.contains(&word)
                || ["better", "improved", "improves", "down", "up"].contains(&word)
        };
        let before = |back: usize| self.word(at.checked_sub(back));
        let after = |on: usize| self.word(Some(at + on));
        let behind = changes(after(1)) || (changes(after(2)) && !["of", "were", "was", "who"].contains(&after(1)));
        let by = before(1) == "by" || (before(1) == "of" && (changes(before(2)) || changes(before(3))));
        behind || by || changes(before(1)) || (["a", "an"].contains(&before(1)) && changes(before(2)))
    }

    /// "from 35% to 26%".
    pub fn change_over_time(&self) -> Option<(String, String)> {
        self.tokens.windows(4).find_map(|w| match w {
            [
                Token::Word(from),
                Token::Number { text: a, kind: Kind::Percent, .. },
                Token::Word(to),
                Token::Number { text: b, kind: Kind::Percent, .. },
            ] if from == "from" && to == "to" => Some((a.clone(), b.clone())),
            _ => None,
        })
    }

    /// "by a third", "by more than half": the size of a change as a share of what it changes.
    pub fn share_of_change(&self) -> Option<&'static str> {
        let shares = ["half", "third", "thirds", "quarter", "quarters", "fifth", "tenth"];
        shares.into_iter().find(|share| {
            let before = self.line.find(&format!(" {share} ")).map(|at| &self.line[..at]);
            let last = |words: &str| words.split(' ').rev().take(6).any(|word| word == "by");
            before.is_some_and(last)
        })
    }

    /// Whether the clause leaves open what it says.
    pub fn is_hedged(&self) -> bool {
        self.has_any(&[
            "may",
            "might",
            "could",
            "inconclusive",
            "cannot",
            "unclear",
            "whether",
            "could not tell",
            "uncertain",
            "not conclusive",
            "not possible",
            "does not show",
            "do not show",
            "did not show",
            "no conclusion",
            "not be concluded",
            "more people would be needed",
            "by chance",
            "to chance",
            "not known",
            "aims",
            "aim",
            "hope",
            "hopes",
        ])
    }

    pub fn is_about_outcome(&self) -> bool {
        self.has_any(&OUTCOME)
    }

    /// Whether the clause speaks of re-offending itself.
    pub fn is_about_offending(&self) -> bool {
        self.tokens.iter().any(|t| matches!(t, Token::Word(w) if w.trim_start_matches("re").starts_with("offen")))
            || self.has_any(&["out of trouble", "crimefree", "out of prison", "back to crime"])
    }

    /// A word that says less (true) or more (false) re-offending; for days, sooner counts as less.
    pub fn direction(&self, days: bool) -> Option<(&'static str, bool)> {
        if days {
            let sooner = self.any_of(&["sooner", "earlier", "faster", "quicker", "shorter"]).map(|w| (w, true));
            return sooner.or_else(|| self.any_of(&["later", "longer", "delayed", "slower"]).map(|w| (w, false)));
        }
        if !self.is_about_outcome() {
            return None;
        }
        // "fewer than 60 people" is a size, not a direction.
        let line =
            ["fewer", "less", "more"].iter().fold(self.line.clone(), |l, w| l.replace(&format!(" {w} than # "), " # "));
        let first = |words: &[&'static str]| {
            let places = words.iter().filter_map(|w| Some((line.find(&format!(" {w} "))?, *w)));
            places.min()
        };
        match (first(&LESS), first(&MORE)) {
            // "a higher reduction": the word of less says which way.
            (Some((_, word)), _) => Some((word, true)),
            (None, Some((_, word))) => Some((word, false)),
            (None, None) => None,
        }
    }

    /// A phrase that says that the service does nothing.
    pub fn no_effect(&self) -> Option<&'static str> {
        self.any_of(&[
            "no effect",
            "no impact",
            "no difference",
            "does not work",
            "doesnt work",
            "did not work",
            "didnt work",
            "not work",
            "ineffective",
            "failed",
            "fails",
            "failure",
            "did not reduce",
            "didnt reduce",
            "does not reduce",
            "doesnt reduce",
            "not reduce",
            "did not increase",
            "does not increase",
            "not effective",
            "useless",
            "no evidence",
        ])
    }

    /// A word that calls the result established.
    pub fn significance(&self) -> Option<&'static str> {
        let denied =
            ["not significant", "not statistically significant", "no significant", "no statistically significant"];
        if self.has_any(&denied) {
            return None;
        }
        self.any_of(&[
            "significant",
            "significantly",
            "proven",
            "proves",
            "prove",
            "proof",
            "conclusive",
            "conclusively",
            "shown to",
        ])
        .filter(|word| {
            *word != "proven" || !self.has_any(&["proven reoffending", "proven reoffence", "proven reoffences"])
        })
    }

    /// A phrase that names the service as the cause.
    pub fn cause(&self) -> Option<&'static str> {
        let phrases = [
            "proven to",
            "proves",
            "prove that",
            "caused",
            "causes",
            "because of",
            "thanks to",
            "due to",
            "as a result of",
            "led to",
            "leads to",
            "resulted in",
            "results in",
            "responsible for",
            "impact of",
            "impact on",
            "effective",
            "works",
            "worked",
            "success",
            "successful",
            "successfully",
            "transforms",
            "stops",
            "stopped",
            "prevents",
            "prevented",
            "effect of",
            "turns lives around",
            "turned their lives around",
        ];
        // Words of help name a cause only of what the report is about.
        let of_offending = ["helps", "helped", "helping", "keeps", "kept"];
        if self.is_about_offending()
            && let Some(word) = self.any_of(&of_offending)
        {
            return Some(word);
        }
        let sizes = self.has_any(&["effective size", "effective sizes", "effective sample"]);
        self.any_of(&phrases).filter(|phrase| *phrase != "effective" || !sizes).filter(|phrase| {
            // "we worked with 412 people" is not a claim.
            *phrase != "worked" && *phrase != "works"
                || !self.has_any(&["worked with", "works with", "worked in", "works in"])
        })
    }
}
