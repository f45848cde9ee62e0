//! The words and numbers of a claim.

/// A word (lower case, hyphens and apostrophes taken out) or a number.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    Word(String),
    Number {
        /// As written.
        text: String,
        value: f64,
        decimals: u8,
        kind: Kind,
    },
}

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    Percent,
    Points,
    /// "one in four", "a third": `value` is the percentage.
    Fraction,
}

/// The words and numbers of `text`, in order.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().map(|c| if c == '\u{2212}' { '-' } else { c }).collect();
    let mut out: Vec<Token> = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        let end = if c.is_ascii_digit() {
            let end = number_end(&chars, at);
            let negative = at > 0 && chars[at - 1] == '-' && (at < 2 || !chars[at - 2].is_alphanumeric());
            out.extend(number(&chars[at..end], negative));
            end
        } else if c.is_alphabetic() {
            let inside = |c: char| c.is_alphabetic() || ['-', '\'', '\u{2019}', '\u{2010}', '\u{2011}'].contains(&c);
            let end = (at..chars.len()).find(|n| !inside(chars[*n])).unwrap_or(chars.len());
            let word: String = chars[at..end].iter().filter(|c| c.is_alphabetic()).collect();
            out.push(Token::Word(word.to_lowercase()));
            end
        } else {
            if c == '%' {
                set_kind(&mut out, Kind::Percent, "%");
            }
            at + 1
        };
        at = end;
        units(&mut out);
    }
    fractions(out)
}

/// Where the number that begins at `from` ends: digits, commas between thousands, one point before digits.
fn number_end(chars: &[char], from: usize) -> usize {
    let digit = |n: usize| chars.get(n).is_some_and(char::is_ascii_digit);
    let mut at = from;
    let mut point = false;
    loop {
        match chars.get(at) {
            Some(c) if c.is_ascii_digit() => at += 1,
            Some(',') if !point && digit(at + 1) && digit(at + 2) && digit(at + 3) && !digit(at + 4) => at += 1,
            Some('.') if !point && digit(at + 1) => {
                point = true;
                at += 1;
            }
            _ => return at,
        }
    }
}

fn number(chars: &[char], negative: bool) -> Option<Token> {
    let written: String = chars.iter().collect();
    let plain = written.replace(',', "");
    let decimals = plain.split_once('.').map_or(0, |(_, part)| part.len());
    let value: f64 = plain.parse().ok()?;
    let (sign, value) = if negative { ("-", -value) } else { ("", value) };
    let decimals = u8::try_from(decimals).unwrap_or(u8::MAX);
    Some(Token::Number { text: format!("{sign}{written}"), value, decimals, kind: Kind::Plain })
}

/// Gives the last number its unit.
fn set_kind(out: &mut [Token], unit: Kind, written: &str) {
    if let Some(Token::Number { text, kind, .. }) = out.last_mut() {
        *kind = unit;
        text.push_str(written);
    }
}

/// Turns "26 per cent", "9 percentage points", "9% points", "9 pp" at the end into a number with its unit.
fn units(out: &mut Vec<Token>) {
    let word = |token: Option<&Token>| match token {
        Some(Token::Word(word)) => Some(word.clone()),
        _ => None,
    };
    let is_number = |token: Option<&Token>| matches!(token, Some(Token::Number { .. }));
    let unit_words = match word(out.last()).as_deref() {
        Some("percent" | "point" | "points" | "pp")
            if word(out.iter().nth_back(1)).is_none_or(|w| w != "percentage") =>
        {
            1
        }
        Some("cent" | "point" | "points") => 2,
        _ => return,
    };
    spelled(out, unit_words);
    let n = out.len();
    let before = |back: usize| n.checked_sub(back).and_then(|at| out.get(at));
    let (last, one, two) = (word(before(1)), before(2), before(3));
    let (take, kind) = match last.as_deref() {
        Some("percent") if is_number(one) => (1, Kind::Percent),
        Some("cent") if word(one).as_deref() == Some("per") && is_number(two) => (2, Kind::Percent),
        Some("point" | "points") if is_number(one) => (1, Kind::Points),
        Some("point" | "points") if word(one).as_deref() == Some("percentage") && is_number(two) => (2, Kind::Points),
        Some("pp" | "ppt" | "ppts") if is_number(one) => (1, Kind::Points),
        _ => return,
    };
    out.truncate(n - take);
    set_kind(out, kind, if kind == Kind::Percent { " per cent" } else { " points" });
}

/// Turns a number in words before the last `behind` words ("twenty-six per cent") into a number.
fn spelled(out: &mut Vec<Token>, behind: usize) {
    const TEENS: [&str; 9] =
        ["eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"];
    const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    let place = |list: &[&str], word: &str| list.iter().position(|known| *known == word);
    let small = |word: &str| place(&SMALL, word).or_else(|| place(&TEENS, word).map(|at| at + 11));
    let tens = |word: &str| place(&TENS, word).map(|at| 10 * (at + 2));
    let whole = |word: &str| {
        let joined =
            || TENS.iter().find_map(|ten| Some(tens(ten)? + small(word.strip_prefix(ten)?).filter(|n| *n < 10)?));
        small(word).or_else(|| tens(word)).or_else(joined)
    };
    let Some(at) = out.len().checked_sub(behind + 1) else { return };
    let Some(Token::Word(last)) = out.get(at) else { return };
    let Some(mut value) = whole(last) else { return };
    let (mut first, mut text) = (at, last.clone());
    if value < 10
        && let Some(Token::Word(before)) = at.checked_sub(1).and_then(|at| out.get(at))
        && let Some(ten) = tens(before)
    {
        (value, first, text) = (ten + value, at - 1, format!("{before} {last}"));
    }
    out.splice(first..=at, [Token::Number { text, value: value as f64, decimals: 0, kind: Kind::Plain }]);
}

const SMALL: [&str; 11] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];

/// Turns "one in four", "3 out of 10", "a third of", "three quarters of", "none of" into fractions.
fn fractions(tokens: Vec<Token>) -> Vec<Token> {
    let small = |token: &Token| match token {
        Token::Word(word) => SMALL.iter().position(|s| s == word).and_then(|n| u32::try_from(n).ok()).map(f64::from),
        Token::Number { value, kind: Kind::Plain, .. } => Some(*value),
        Token::Number { .. } => None,
    };
    let is = |token: Option<&Token>, word: &str| matches!(token, Some(Token::Word(w)) if w == word);
    let mut out = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let fraction = |part: f64, whole: f64, text: String| Token::Number {
            text,
            value: part / whole * 100.0,
            decimals: 0,
            kind: Kind::Fraction,
        };
        let out_of = usize::from(is(tokens.get(at + 1), "out") && is(tokens.get(at + 2), "of"));
        let whole = tokens.get(at + 2 + out_of).and_then(small);
        let joined = is(tokens.get(at + 1), "in") || out_of == 1;
        match (small(&tokens[at]), whole.filter(|w| joined && *w > 0.0 && *w <= 100.0)) {
            (Some(part), Some(whole)) if part < whole => {
                let link = if out_of == 1 { "out of" } else { "in" };
                out.push(fraction(part, whole, format!("{part} {link} {whole}")));
                at += 3 + out_of;
            }
            _ => {
                let share = match &tokens[at] {
                    Token::Word(word) if is(tokens.get(at + 1), "of") => match word.as_str() {
                        "half" => Some(50.0),
                        "third" => Some(100.0 / 3.0),
                        "thirds" => Some(200.0 / 3.0),
                        "quarter" => Some(25.0),
                        "quarters" => Some(75.0),
                        "none" => Some(0.0),
                        _ => None,
                    },
                    _ => None,
                };
                // "One quarter", "three thirds": as many as are said.
                let said = at.checked_sub(1).and_then(|before| small(&tokens[before])).filter(|said| *said > 0.0);
                match (share, &tokens[at]) {
                    (Some(share), Token::Word(word)) => {
                        let many = said.filter(|_| word.ends_with('s'));
                        let one = match word.as_str() {
                            "thirds" => 100.0 / 3.0,
                            "quarters" => 25.0,
                            _ => share,
                        };
                        let named = many.and_then(|_| out.pop()).map(|before| match before {
                            Token::Word(number) | Token::Number { text: number, .. } => format!("{number} {word}"),
                        });
                        let value = many.map_or(share, |many| many * one);
                        out.push(fraction(value, 100.0, named.unwrap_or_else(|| word.clone())));
                    }
                    (_, token) => out.push(token.clone()),
                }
                at += 1;
            }
        }
    }
    out
}
