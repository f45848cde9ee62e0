//! Names: one standard spelling, a phonetic key, a similarity.
//!
//! Standardising undoes how a name was typed (case, accents, punctuation, titles, spacing of particles) and keeps what
//! was meant: parts of a double-barrelled name stay apart, and stand-ins such as UNKNOWN are flagged, not removed.

pub use super::name_key::key;

/// A name as the engine compares it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct StandardName {
    /// Parts of ASCII capitals joined by one space, as in `SMITH JONES`; empty where the text held no letters.
    pub text: String,
    /// Is it a stand-in (UNKNOWN, NOT ENTERED, SELF HARM, XXX) and so no evidence of anybody?
    pub is_placeholder: bool,
}

impl StandardName {
    /// The parts: one for most names, two for a double-barrelled one.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.text.split(' ').filter(|part| !part.is_empty())
    }

    /// Can it be compared: is there a name, and is it nobody's stand-in?
    pub fn is_usable(&self) -> bool {
        !self.text.is_empty() && !self.is_placeholder
    }

    /// Is it a single letter?
    pub fn is_initial(&self) -> bool {
        self.text.len() == 1
    }
}

/// Brings a name into its standard form.
///
/// In this order: letters of any script to ASCII capitals (accents and umlauts fall: Ä is A), apostrophes and digits removed, any
/// other mark a space; markers of case systems (`DUPLICATE`, `NO SHOW` ...) and titles removed from the front, `JR` and
/// the like from the end, `AKA` and `NEE` from between; particles joined to the part behind them (`O BRIEN`,
/// `MC DONALD`, `VAN DER BERG`, `AL-HASSAN`, `DE SOUZA`, `ST JOHN`). A title or particle that stands alone is a name.
///
/// ```
/// use jdl_core::identity::name::standardise;
/// assert_eq!(standardise("Mr. Seán  O’Brien-Smythe").text, "SEAN OBRIEN SMYTHE");
/// assert_eq!(standardise("van der Berg").text, "VANDERBERG");
/// assert!(standardise("** NOT ENTERED **").is_placeholder);
/// ```
pub fn standardise(text: &str) -> StandardName {
    let letters = capitals(text);
    let words: Vec<&str> = letters.split(' ').filter(|word| !word.is_empty()).collect();
    if is_stand_in(&words) {
        return StandardName { text: words.join(" "), is_placeholder: true };
    }
    let words = without_trappings(&words);
    let mut text = String::with_capacity(letters.len());
    let mut is_behind_particle = true;
    for (position, word) in words.iter().enumerate() {
        let is_inside = position > 0 && position + 1 < words.len();
        if is_inside && matches!(*word, "AKA" | "NEE" | "ALIAS") {
            is_behind_particle = false;
            continue;
        }
        if !is_behind_particle {
            text.push(' ');
        }
        text.push_str(word);
        // A lone O before an initial is an initial itself.
        is_behind_particle =
            is_particle(word) && (*word != "O" || words.get(position + 1).is_some_and(|next| next.len() > 2));
    }
    StandardName { is_placeholder: is_stand_in(words), text }
}

/// Jaro-Winkler similarity (Winkler 1990): 1 for equal strings, 0 for strings with no letter in common; prefix weight 0.1 over at most four letters.
///
/// ```
/// let similarity = jdl_core::identity::name::jaro_winkler("MARTHA", "MARHTA");
/// assert!((similarity - 0.961_111).abs() < 1e-6);
/// ```
pub fn jaro_winkler(a: &str, b: &str) -> f64 {
    use rapidfuzz::distance::jaro_winkler::similarity;
    if a.is_ascii() && b.is_ascii() { similarity(a.bytes(), b.bytes()) } else { similarity(a.chars(), b.chars()) }
}

/// ASCII capitals and spaces.
fn capitals(text: &str) -> String {
    let ascii;
    let text = if text.is_ascii() {
        text
    } else {
        ascii = deunicode::deunicode_with_tofu(text, "");
        &ascii
    };
    let mut letters = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            _ if c.is_ascii_alphabetic() => letters.push(c.to_ascii_uppercase()),
            '\'' | '`' | '0'..='9' => {}
            _ => letters.push(' '),
        }
    }
    letters
}

/// The words without markers and titles before them and suffixes behind them; never empties a name.
fn without_trappings<'a, 'b>(mut words: &'a [&'b str]) -> &'a [&'b str] {
    const MARKERS: [&[&str]; 4] = [&["MIG", "ERROR"], &["NO", "SHOW"], &["NOT", "ENTERED"], &["DUPLICATE"]];
    for marker in MARKERS {
        if let Some(rest) = words.strip_prefix(marker)
            && !rest.is_empty()
        {
            words = rest;
        }
    }
    while let [first, rest @ ..] = words
        && !rest.is_empty()
        && matches!(*first, "MR" | "MRS" | "MS" | "MISS" | "MX" | "DR" | "PROF" | "REV" | "SIR" | "DAME" | "MASTER")
    {
        words = rest;
    }
    while let [rest @ .., last] = words
        && !rest.is_empty()
        && matches!(*last, "JR" | "JNR" | "SR" | "SNR" | "ESQ" | "II" | "III")
    {
        words = rest;
    }
    words
}

fn is_particle(word: &str) -> bool {
    matches!(
        word,
        "O" | "MC"
            | "MAC"
            | "FITZ"
            | "ST"
            | "SAINT"
            | "DE"
            | "DEL"
            | "DELLA"
            | "DELA"
            | "DI"
            | "DA"
            | "DAS"
            | "DOS"
            | "DU"
            | "LE"
            | "LA"
            | "VAN"
            | "VON"
            | "DEN"
            | "DER"
            | "TER"
            | "TEN"
            | "AL"
            | "EL"
            | "UL"
            | "UR"
            | "BIN"
            | "IBN"
            | "BINT"
            | "AP"
    )
}

fn is_stand_in(words: &[&str]) -> bool {
    let is_repeated_letter = |word: &str| match word.as_bytes() {
        [first, rest @ ..] => rest.iter().all(|c| c == first) && (*first == b'X' || rest.len() >= 2),
        [] => true,
    };
    match words {
        [] => false,
        [word] => {
            matches!(
                *word,
                "UNKNOWN"
                    | "UNKOWN"
                    | "UNK"
                    | "NK"
                    | "NA"
                    | "NONE"
                    | "NULL"
                    | "NIL"
                    | "ANON"
                    | "ANONYMOUS"
                    | "REFUSED"
                    | "REDACTED"
                    | "WITHHELD"
                    | "TEST"
                    | "TESTER"
                    | "TBC"
                    | "TBA"
                    | "DUMMY"
                    | "NOTKNOWN"
                    | "NOTENTERED"
                    | "NONAME"
                    | "SELFHARM"
                    | "SUICIDE"
                    | "DECEASED"
                    | "DUPLICATE"
                    | "MISSING"
                    | "BLANK"
            ) || is_repeated_letter(word)
        }
        ["NOT", "ENTERED" | "KNOWN" | "GIVEN" | "STATED" | "RECORDED" | "PROVIDED" | "AVAILABLE" | "APPLICABLE"]
        | ["NO", "NAME" | "SHOW" | "SURNAME" | "FORENAME"]
        | ["SELF", "HARM"]
        | ["SUICIDE", "RISK"]
        | ["AT", "RISK"]
        | ["MIG", "ERROR"]
        | ["N", "A" | "K"]
        | ["NAME", "UNKNOWN"]
        | ["TO", "BE", "CONFIRMED"] => true,
        _ => words.iter().all(|word| *word != "X" && word.bytes().all(|c| c == b'X')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str) -> String {
        standardise(name).text
    }

    #[test]
    fn case_accents_and_marks_do_not_matter() {
        assert_eq!(text("  josé "), "JOSE");
        assert_eq!(text("Müller"), "MULLER");
        assert_eq!(text("Łukasz"), "LUKASZ");
        assert_eq!(text("Søren Æbel"), "SOREN AEBEL");
        assert_eq!(text("Groß"), "GROSS");
        assert_eq!(text("Иванов"), "IVANOV");
        assert_eq!(text("Smith,"), "SMITH");
        assert_eq!(text("J.P."), "J P");
        assert_eq!(text("Smith2"), "SMITH");
        assert_eq!(text("—"), "");
    }

    #[test]
    fn particles_join_the_part_behind_them() {
        for name in ["O'Brien", "O’BRIEN", "O Brien", "o-brien", "OBrien", "O`Brien"] {
            assert_eq!(text(name), "OBRIEN", "{name}");
        }
        assert_eq!(text("Mc Donald"), "MCDONALD");
        assert_eq!(text("Mac-Donald"), "MACDONALD");
        assert_eq!(text("van der Berg"), "VANDERBERG");
        assert_eq!(text("Al-Hassan"), "ALHASSAN");
        assert_eq!(text("De La Cruz"), "DELACRUZ");
        assert_eq!(text("D'Souza"), "DSOUZA");
        assert_eq!(text("St. John"), "STJOHN");
        assert_eq!(text("Al"), "AL");
        assert_eq!(text("Diaz Del"), "DIAZ DEL");
    }

    #[test]
    fn double_barrelled_parts_stay_apart() {
        let name = standardise("Smith-Jones");
        assert_eq!(name.parts().collect::<Vec<_>>(), ["SMITH", "JONES"]);
        assert_eq!(name, standardise("SMITH JONES"));
    }

    #[test]
    fn trappings_fall_and_names_that_look_like_them_stay() {
        assert_eq!(text("Mr John"), "JOHN");
        assert_eq!(text("Smith Jnr"), "SMITH");
        assert_eq!(text("Smith née Jones"), "SMITH JONES");
        assert_eq!(text("Smith aka Jones"), "SMITH JONES");
        assert_eq!(text("Nee"), "NEE");
        assert_eq!(text("Miss"), "MISS");
        assert_eq!(text("Mr"), "MR");
        assert_eq!(text("DUPLICATE_SMITH"), "SMITH");
        assert_eq!(text("MIG_ERROR_SMITH"), "SMITH");
    }

    #[test]
    fn stand_ins_are_flagged_and_names_are_not() {
        for junk in [
            "UNKNOWN",
            "Not Entered",
            "self-harm",
            "N/A",
            "n/k",
            "XXX",
            "X",
            "xx xx",
            "aaaa",
            "NO_SHOW",
            "Mr Unknown",
            "?? not known ??",
        ] {
            assert!(standardise(junk).is_placeholder, "{junk}");
            assert!(!standardise(junk).is_usable(), "{junk}");
        }
        for name in ["Smith", "A", "Lee", "Malcolm X", "Knotts", "Testa", "Nolan", "Noname Smith", "Al"] {
            assert!(standardise(name).is_usable(), "{name}");
        }
        assert!(!standardise("").is_placeholder && !standardise("").is_usable());
        assert!(standardise("j.").is_initial());
    }

    #[test]
    fn standardising_twice_changes_nothing() {
        for name in [
            "Mr. Seán O’Brien-Smythe",
            "van der Berg",
            "Al-Hassan",
            "Smith née Jones",
            "UNKNOWN",
            "Mc Donald",
            "D'Arcy",
        ] {
            let once = standardise(name);
            assert_eq!(standardise(&once.text), once, "{name}");
        }
    }

    #[test]
    fn jaro_winkler_gives_the_published_values() {
        for (a, b, expected) in [
            ("MARTHA", "MARHTA", 0.961_111),
            ("DWAYNE", "DUANE", 0.84),
            ("DIXON", "DICKSONX", 0.813_333),
            ("JONES", "JOHNSON", 0.832_381),
            ("ABROMS", "ABRAMS", 0.922_222),
        ] {
            assert!((jaro_winkler(a, b) - expected).abs() < 1e-6, "{a} {b} {}", jaro_winkler(a, b));
            assert_eq!(jaro_winkler(a, b), jaro_winkler(b, a));
        }
        assert_eq!(jaro_winkler("SMITH", "SMITH"), 1.0);
        assert_eq!(jaro_winkler("ABC", "XYZ"), 0.0);
        assert_eq!(jaro_winkler("", "SMITH"), 0.0);
        assert_eq!(jaro_winkler("ŁUKASZ", "ŁUKASZ"), 1.0);
    }
}
