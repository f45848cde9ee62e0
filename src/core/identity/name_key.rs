//! The phonetic key of a name: one rule, written out, so that an index built on it never changes meaning with a library.

use super::name::standardise;

/// Letters of a word's code at most.
const LENGTH: usize = 6;

/// The blocking key of a name: the codes of its standard parts, joined by one space; empty where there are no letters.
///
/// The code of a part, in the tradition of Soundex and Metaphone, but made for names of many origins:
/// 1. KN, GN, PN begin with N, WR with R, PS with S;
/// 2. groups: PH is F; TH and DH are T; CK is K; CH is K before a consonant and else S; GH is K at the beginning and behind N, else silent; GE, DGE are J;
///    SCH, SH, SZ, CZ, ZH, TZ, TCH are S;
/// 3. letters: B P are P; F V are F; D T are T; K Q and hard C and G are K; S Z and soft C (before E, I, Y) are S; X is S at the beginning and else K S;
///    J L M N R stay; H, W, Y and vowels are silent, except at the beginning: vowel A, else H, W, Y;
/// 4. a code equal to that of the letter just before it is dropped (a vowel or H between keeps both); the first six remain.
///
/// ```
/// use jdl_core::identity::name::key;
/// assert_eq!(key("Stephen"), "STFN");
/// assert_eq!(key("Stephen"), key("Steven"));
/// assert_eq!(key("Mohammed"), key("Muhamad"));
/// assert_eq!(key("O'Brien-Smith"), "APRN SMT");
/// ```
pub fn key(text: &str) -> String {
    let name = standardise(text);
    let mut key = String::with_capacity(2 * LENGTH);
    for part in name.parts() {
        if !key.is_empty() {
            key.push(' ');
        }
        append_code(part.as_bytes(), &mut key);
    }
    key
}

fn is_vowel(c: u8) -> bool {
    matches!(c, b'A' | b'E' | b'I' | b'O' | b'U')
}

/// Appends the code of one part of ASCII capitals.
fn append_code(word: &[u8], key: &mut String) {
    let begin = key.len();
    let mut position = match word {
        [b'K' | b'G' | b'P', b'N', ..] | [b'W', b'R', ..] | [b'P', b'S', ..] => 1,
        _ => 0,
    };
    let mut last = "";
    while position < word.len() && key.len() - begin < LENGTH {
        let is_first = key.len() == begin;
        let (code, width) = sound(&word[position..], position.checked_sub(1).map(|before| word[before]), is_first);
        // Doubled letters sound once; a silent letter in between makes them two.
        if code != last {
            key.push_str(code);
        }
        last = code;
        position += width;
    }
    key.truncate(begin + LENGTH);
}

/// The code of the sound that `rest` begins with and the number of letters it takes.
fn sound(rest: &[u8], before: Option<u8>, is_first: bool) -> (&'static str, usize) {
    let next = rest.get(1).copied().unwrap_or(b' ');
    match rest {
        [b'S', b'C', b'H', ..] | [b'T', b'C', b'H', ..] => ("S", 3),
        [b'D', b'G', b'E', ..] => ("J", 2),
        [b'P', b'H', ..] => ("F", 2),
        [b'T' | b'D', b'H', ..] => ("T", 2),
        [b'C', b'K', ..] => ("K", 2),
        [b'C', b'H', after, ..] if !is_vowel(*after) && *after != b'Y' => ("K", 2),
        [b'C', b'H' | b'Z', ..] | [b'S', b'H' | b'Z', ..] | [b'Z', b'H', ..] | [b'T', b'Z', ..] => ("S", 2),
        [b'G', b'H', ..] if is_first || before == Some(b'N') => ("K", 2),
        [b'G', b'H', ..] => ("", 2),
        [b'G', b'E', ..] => ("J", 1),
        [b'B' | b'P', ..] => ("P", 1),
        [b'F' | b'V', ..] => ("F", 1),
        [b'D' | b'T', ..] => ("T", 1),
        [b'C', ..] if matches!(next, b'E' | b'I' | b'Y') => ("S", 1),
        [b'K' | b'Q' | b'C' | b'G', ..] => ("K", 1),
        [b'S' | b'Z', ..] => ("S", 1),
        [b'X', ..] if is_first => ("S", 1),
        [b'X', ..] => ("KS", 1),
        [b'J', ..] => ("J", 1),
        [b'L', ..] => ("L", 1),
        [b'M', ..] => ("M", 1),
        [b'N', ..] => ("N", 1),
        [b'R', ..] => ("R", 1),
        [b'H', ..] if is_first => ("H", 1),
        [b'W', ..] if is_first => ("W", 1),
        [b'Y', ..] if is_first => ("Y", 1),
        _ if is_first => ("A", 1),
        _ => ("", 1),
    }
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn spellings_of_one_name_share_a_key() {
        for group in [
            &["Smith", "Smyth", "Smythe", "SMITHE"][..],
            &["Mohammed", "Muhammad", "Mohamed", "Mohammad", "Muhamed"],
            &["Chaudhry", "Choudhury", "Chowdhury", "Chaudhary"],
            &["Hussain", "Hussein", "Husain", "Hosain"],
            &["Clark", "Clarke", "Klark"],
            &["Geoffrey", "Jeffrey", "Jeffry"],
            &["Catherine", "Katherine", "Kathryn", "Cathrin", "Katharine"],
            &["Phillip", "Philip", "Filip"],
            &["Thompson", "Tompson"],
            &["McDonald", "MacDonald", "Mc Donald"],
            &["Singh", "Sing"],
            &["Wright", "Right", "Rite"],
            &["Hughes", "Hues"],
            &["Nguyen", "Nguyn"],
            &["Szymon", "Shimon"],
            &["Tomasz", "Tomas", "Thomas"],
            &["Khan", "Kan"],
            &["Roger", "Rodger"],
            &["Knight", "Night"],
            &["Xavier", "Zavier"],
        ] {
            for name in group {
                assert_eq!(key(name), key(group[0]), "{name} and {}", group[0]);
            }
        }
    }

    #[test]
    fn different_names_have_different_keys() {
        let names =
            ["Smith", "Jones", "Taylor", "Brown", "Williams", "Khan", "Patel", "Ali", "Begum", "Kowalski", "Okafor"];
        let keys: std::collections::BTreeSet<String> = names.iter().map(|name| key(name)).collect();
        assert_eq!(keys.len(), names.len());
    }

    #[test]
    fn codes_are_short_and_empty_only_without_letters() {
        assert_eq!(key(""), "");
        assert_eq!(key("-"), "");
        assert_eq!(key("H"), "H");
        assert_eq!(key("A"), "A");
        assert!(key("Featherstonehaughington").len() <= 6);
        assert_eq!(key("Maxxmax"), "MKSMKS");
    }
}
