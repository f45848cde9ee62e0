//! What a claim says of parts of the treatment group.

use crate::report::claim::ClaimProblem;
use crate::report::claim_clause::Clause;
use crate::report::claim_words::{Token, tokens};
use crate::report::result::{StoredResult, SubGroup};

/// Words for one sub-group each.
const WORDS: [&[&str]; 15] = [
    &["women", "woman", "female", "females", "girls", "mothers"],
    &["men", "man", "male", "males", "boys", "fathers"],
    &["young", "younger", "youth", "youths", "juvenile", "juveniles", "teenagers"],
    &["older", "elderly"],
    &["black"],
    &["asian"],
    &["white"],
    &["ethnic", "minority", "minorities", "bame"],
    &["completers", "completed", "completing", "graduates", "graduated", "finished"],
    &["dropouts", "starters"],
    &["violent", "burglars", "thieves", "shoplifters"],
    &["prolific", "persistent", "firsttime"],
    &["addicts", "addicted", "homeless", "unemployed"],
    &["prisoners", "prison leavers", "released from prison", "released from custody"],
    &["london", "wales", "scotland", "manchester", "birmingham", "liverpool", "leeds"],
];

/// Words that set one part above the others.
const MORE_THAN_OTHERS: [&str; 17] = [
    "especially",
    "particularly",
    "in particular",
    "above all",
    "most for",
    "best for",
    "better for",
    "more effective for",
    "most effective for",
    "benefited most",
    "benefited more",
    "benefit most",
    "benefit more",
    "most of all",
    "but not",
    "unlike",
    "even more",
];

/// The words that name the level of a sub-group: its own, and others of the same meaning.
fn level_words(group: &SubGroup) -> Vec<Token> {
    tokens(group.label.split_once(": ").map_or(group.label.as_str(), |(_, level)| level))
}

fn is_named(group: &SubGroup, clause: &Clause) -> bool {
    let level = level_words(group);
    // "Custody" alone is a measure; people who come out of it are a sub-group.
    let custody = level == [Token::Word("custody".to_owned())];
    let means = |words: &[&str]| {
        custody && words.contains(&"prisoners")
            || level.iter().any(|token| matches!(token, Token::Word(word) if words.contains(&word.as_str())))
    };
    let says = |words: &[Token]| !words.is_empty() && clause.tokens.windows(words.len()).any(|some| some == words);
    says(&tokens(&group.label))
        || (!custody && says(&level))
        || WORDS.iter().any(|words| means(words) && clause.has_any(words))
}

/// The tested sub-groups that a clause names.
pub(crate) fn named_sub_groups<'a>(result: &'a StoredResult, clause: &Clause) -> Vec<&'a SubGroup> {
    result.sub_groups.iter().filter(|group| is_named(group, clause)).collect()
}

/// Parts of the treatment group that were not tested, and comparisons of parts that the plan does not make.
pub(crate) fn sub_group_problems(result: &StoredResult, clause: &Clause) -> Vec<ClaimProblem> {
    if !clause.is_about_outcome() {
        return Vec::new();
    }
    let names_word = |label: &str, names: &[&str]| {
        tokens(label).iter().any(|token| matches!(token, Token::Word(word) if names.contains(&word.as_str())))
    };
    let named = named_sub_groups(result, clause);
    let tested = |names: &[&str]| {
        let by_name = result.sub_groups.iter().map(|group| group.label.as_str());
        by_name.chain(result.tests_made.iter().filter_map(|t| t.subgroup.as_deref())).any(|l| names_word(l, names))
    };
    // A group that everyone belongs to is no sub-group.
    let everyone = |names: &[&str]| {
        let rows = result.profile.iter().flat_map(|block| &block.rows);
        rows.into_iter().any(|row| row.share.is_some_and(|share| share >= 1.0) && names_word(&row.label, names))
    };
    let mut out: Vec<ClaimProblem> = WORDS
        .iter()
        .filter_map(|names| Some((clause.any_of(names)?, names)))
        .filter(|(_, names)| !tested(names) && !everyone(names))
        .map(|(word, _)| {
            ClaimProblem::new(
                format!("\"{word}\" speaks of a part of the treatment group."),
                "No test was made in that sub-group, so nothing can be said about it.",
            )
        })
        .collect();
    let set_above = clause.any_of(&MORE_THAN_OTHERS).filter(|_| !named.is_empty());
    let side_by_side = named.iter().any(|a| named.iter().any(|b| a.by == b.by && a.label != b.label));
    if (set_above.is_some() || side_by_side) && !clause.is_hedged() {
        let tests: Vec<_> =
            result.interactions.iter().filter(|test| named.iter().any(|group| group.by == test.by)).collect();
        if !tests.iter().any(|test| test.conclusive == Some(true)) {
            out.push(ClaimProblem::new(
                format!(
                    "{} sets one part of the treatment group against another.",
                    set_above.map_or("The sentence".to_owned(), |word| format!("\"{word}\""))
                ),
                if tests.is_empty() {
                    "Whether sub-groups differ was not tested, and cannot be read off their numbers."
                } else {
                    "The test of whether these sub-groups differ is not conclusive."
                },
            ));
        }
    }
    out
}
