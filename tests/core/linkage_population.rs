//! A made-up register and cohort for the linkage tests: families, twins, namesakes, aliases, hostels, and the errors people make in forms.
//!
//! Everything follows from the seed. Names come from short lists of common British names with a long tail made of syllables.

use jdl_core::calendar::Day;
use jdl_core::linkage::{Alias, Gender, Name, PersonName, PncId, Postcode, RegisterPerson, Sentence, SubmittedPerson};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};

const MALE: &str = "DAVID JOHN PAUL JAMES MICHAEL ANDREW MARK ROBERT STEPHEN CHRISTOPHER DANIEL MATTHEW RICHARD PETER LEE THOMAS \
    ANTHONY WILLIAM SIMON KEVIN CRAIG DEAN GARY RYAN ADAM LUKE JOSHUA JACK KIERAN CONNOR LIAM SHANE WAYNE DARREN SCOTT CARL NEIL \
    IAN STUART PHILIP JORDAN NATHAN AARON BENJAMIN SAMUEL ALEXANDER JOSEPH GEORGE EDWARD CHARLES FRANK KENNETH RAYMOND TERENCE";
const FEMALE: &str = "SARAH CLAIRE EMMA LAURA MICHELLE LISA NICOLA KAREN SAMANTHA VICTORIA REBECCA KELLY DONNA LOUISE JENNIFER \
    CATHERINE ELIZABETH AMANDA TRACEY JULIE GEMMA AMY CHLOE JADE STACEY LEANNE MARGARET SUSAN PATRICIA ANNE MARIE HELEN";
const ASIAN_MALE: &str =
    "MOHAMMED ALI AHMED HASSAN IMRAN TARIQ ASIF BILAL USMAN OMAR HARPREET GURPREET RAJ VIKRAM SANJAY AMIT";
const ASIAN_FEMALE: &str = "FATIMA AISHA ZAINAB SANA NADIA PRIYA MEENA KIRAN SIMRAN RUKHSANA";
const SURNAMES: &str = "SMITH JONES TAYLOR WILLIAMS BROWN DAVIES EVANS WILSON THOMAS ROBERTS JOHNSON LEWIS WALKER ROBINSON WOOD \
    THOMPSON WHITE WATSON JACKSON WRIGHT GREEN HARRIS COOPER KING LEE MARTIN CLARKE JAMES MORGAN HUGHES EDWARDS HILL MOORE CLARK \
    HARRISON SCOTT YOUNG MORRIS HALL WARD TURNER CARTER PHILLIPS MITCHELL PATEL ADAMS CAMPBELL ANDERSON ALLEN COOK BAILEY PARKER \
    MURPHY KELLY OBRIEN RYAN BYRNE DOHERTY MURRAY COLLINS BENNETT FOSTER GRAY SIMPSON MARSHALL ELLIOTT OWEN HOLMES BARNES WEBB";
const ASIAN_SURNAMES: &str =
    "KHAN AHMED ALI HUSSAIN PATEL SINGH BEGUM MALIK SHAH IQBAL MAHMOOD AKHTAR KAUR SHARMA RAHMAN MIAH";
const NICKNAMES: &str = "ROBERT BOB ROB BOBBY|WILLIAM BILL WILL LIAM|RICHARD DICK RICK|MICHAEL MIKE MICK|CHRISTOPHER CHRIS|DANIEL DAN \
    DANNY|MATTHEW MATT|ANDREW ANDY|DAVID DAVE|STEPHEN STEVE STEVEN|JAMES JIM JIMMY|JOHN JACK JOHNNY|THOMAS TOM|ANTHONY TONY|EDWARD \
    TED NED|CHARLES CHARLIE|KENNETH KEN|TERENCE TERRY|ALEXANDER ALEX SANDY|BENJAMIN BEN|SAMUEL SAM|JOSHUA JOSH|ELIZABETH LIZ BETH \
    BETTY|CATHERINE KATE CATHY|MARGARET PEGGY MAGGIE|PATRICIA PAT TRISH|SUSAN SUE|VICTORIA VICKY|REBECCA BECKY|SAMANTHA SAMMY|JENNIFER \
    JENNY|MOHAMMED MUHAMMAD MOHAMED|PHILIP PHIL|RAYMOND RAY|JOSEPH JOE|NICOLA NICKY|MICHELLE SHELLY";

/// The facts of one person, in the register or not.
#[derive(Clone, Debug)]
pub struct Person {
    pub id: i64,
    forename: String,
    middle: String,
    surname: String,
    dob: Day,
    gender: Gender,
    postcode: String,
    institution: bool,
    pnc: Option<PncId>,
    cro: Option<String>,
    prison: Option<String>,
    aliases: Vec<(String, String, Option<Day>)>,
    sentences: Vec<Sentence>,
}

/// One row of a cohort, as submitted, with the truth.
#[derive(Clone, Debug)]
#[allow(dead_code, reason = "each test binary reads its own part")]
pub struct Row {
    /// The register person, if there is one.
    pub truth: Option<i64>,
    /// The kinds of errors and traps of this row.
    pub tags: Vec<&'static str>,
    person: Person,
    gender: Option<Gender>,
    postcode: Option<String>,
    pnc: Option<PncId>,
    prison: Option<String>,
    sentence: Option<Sentence>,
    intervention: Option<Day>,
    placeholder: bool,
    no_dob: bool,
}

/// A register and a cohort.
pub struct World {
    pub register: Vec<Person>,
    pub cohort: Vec<Row>,
    nicknames: Nicknames,
    /// Phonetic keys of every name, so that records can borrow them.
    phonetics: std::collections::HashMap<String, String>,
}

struct Nicknames(Vec<Vec<String>>);

impl Nicknames {
    fn new() -> Self {
        Self(NICKNAMES.split('|').map(words).collect())
    }
    fn group(&self, name: &str) -> Option<u16> {
        self.0.iter().position(|group| group.iter().any(|n| n == name)).map(|at| at as u16)
    }
}

fn words(list: &str) -> Vec<String> {
    list.split_whitespace().map(str::to_owned).collect()
}

struct Names {
    male: Vec<String>,
    female: Vec<String>,
    asian_male: Vec<String>,
    asian_female: Vec<String>,
    surnames: Vec<String>,
    asian_surnames: Vec<String>,
}

impl Names {
    fn new(rng: &mut ChaCha8Rng) -> Self {
        let mut made = |n: usize| -> Vec<String> {
            const ONSET: [&str; 18] =
                ["B", "BR", "C", "D", "F", "G", "H", "K", "L", "M", "N", "P", "R", "S", "ST", "T", "W", "CH"];
            const RIME: [&str; 14] =
                ["AR", "EN", "ILL", "ON", "UR", "EY", "AND", "ELL", "INGS", "OCK", "ER", "AM", "ISH", "ORTH"];
            (0..n)
                .map(|_| {
                    (0..rng.random_range(2..4)).map(|_| format!("{}{}", pick(rng, &ONSET), pick(rng, &RIME))).collect()
                })
                .collect()
        };
        let long = |list: &str, tail: Vec<String>| {
            let mut all = words(list);
            all.extend(tail);
            all
        };
        Self {
            male: long(MALE, made(400)),
            female: long(FEMALE, made(400)),
            asian_male: long(ASIAN_MALE, made(150)),
            asian_female: long(ASIAN_FEMALE, made(150)),
            surnames: long(SURNAMES, made(8_000)),
            asian_surnames: long(ASIAN_SURNAMES, made(600)),
        }
    }

    fn forename(&self, rng: &mut ChaCha8Rng, asian: bool, gender: Gender) -> String {
        let list = match (asian, gender) {
            (false, Gender::Female) => &self.female,
            (false, _) => &self.male,
            (true, Gender::Female) => &self.asian_female,
            (true, _) => &self.asian_male,
        };
        zipf(rng, list, 0.95)
    }

    fn surname(&self, rng: &mut ChaCha8Rng, asian: bool) -> String {
        zipf(rng, if asian { &self.asian_surnames } else { &self.surnames }, if asian { 1.0 } else { 0.85 })
    }
}

/// Draws by rank with probability falling as rank^-power (inverse of the continuous distribution function).
fn zipf(rng: &mut ChaCha8Rng, list: &[String], power: f64) -> String {
    let (n, u) = (list.len() as f64 + 1.0, rng.random::<f64>());
    let at = if (power - 1.0).abs() < 1e-9 {
        n.powf(u)
    } else {
        (1.0 + u * (n.powf(1.0 - power) - 1.0)).powf(1.0 / (1.0 - power))
    };
    list[(at as usize - 1).min(list.len() - 1)].clone()
}

fn pick<'a, T>(rng: &mut ChaCha8Rng, list: &'a [T]) -> &'a T {
    &list[rng.random_range(0..list.len())]
}

/// Soundex, good enough for a test.
pub fn soundex(name: &str) -> String {
    let code = |c: u8| match c {
        b'B' | b'F' | b'P' | b'V' => b'1',
        b'C' | b'G' | b'J' | b'K' | b'Q' | b'S' | b'X' | b'Z' => b'2',
        b'D' | b'T' => b'3',
        b'L' => b'4',
        b'M' | b'N' => b'5',
        b'R' => b'6',
        _ => b'0',
    };
    let mut key: Vec<u8> = Vec::new();
    let mut last = b'0';
    for (at, c) in name.bytes().filter(u8::is_ascii_alphabetic).enumerate() {
        let digit = code(c);
        if at == 0 {
            key.push(c);
        } else if digit != b'0' && digit != last {
            key.push(digit);
        }
        last = digit;
    }
    key.truncate(4);
    String::from_utf8(key).unwrap()
}

struct Maker {
    rng: ChaCha8Rng,
    names: Names,
    next_pnc: u32,
    next_id: i64,
    postcodes: usize,
    hostels: Vec<String>,
}

impl Maker {
    fn chance(&mut self, p: f64) -> bool {
        self.rng.random_bool(p)
    }

    fn postcode(&mut self) -> String {
        let n = self.rng.random_range(0..self.postcodes);
        postcode_number(n)
    }

    fn dob(&mut self) -> Day {
        if self.chance(0.004) {
            return Day::from_ymd(self.rng.random_range(1945..1994), 1, 1).unwrap();
        }
        // Ages bunch in the twenties and thirties.
        let age_spread = self.rng.random::<f64>() + self.rng.random::<f64>();
        Day::from_ymd(1993, 12, 31).unwrap().plus_days(-(age_spread * age_spread * 4_500.0) as i32)
    }

    fn pnc(&mut self) -> PncId {
        self.next_pnc += self.rng.random_range(1..5);
        let (year, serial) = (1990 + (self.next_pnc / 700_000) as u16, self.next_pnc % 700_000 + 1_000);
        PncId::new(year, serial).unwrap()
    }

    fn sentences(&mut self, dob: Day) -> Vec<Sentence> {
        let count = 1 + (self.rng.random::<f64>().powi(2) * 6.0) as usize;
        let last = Day::from_ymd(2012, 6, 1).unwrap();
        let adult = Day::from_ymd(2000, 1, 1).unwrap().max(dob.plus_months(15 * 12)).min(last.plus_days(-700));
        let mut list: Vec<Sentence> = (0..count)
            .map(|_| {
                let mut start = adult.plus_days(self.rng.random_range(0..last.0 - adult.0));
                // Courts sit on weekdays; day 0 was a Saturday.
                start = start.plus_days(match start.0.rem_euclid(7) {
                    0 => 2,
                    1 => 1,
                    _ => 0,
                });
                let months = [1, 2, 3, 4, 6, 8, 9, 12, 12, 18, 24, 36][self.rng.random_range(0..12)];
                let end = (!self.chance(0.15)).then(|| start.plus_months(months).plus_days(-1));
                Sentence { start, end }
            })
            .collect();
        list.sort();
        list
    }

    fn person(&mut self) -> Person {
        let asian = self.chance(0.12);
        let gender = if self.chance(0.17) { Gender::Female } else { Gender::Male };
        let forename = self.names.forename(&mut self.rng, asian, gender);
        let surname = self.names.surname(&mut self.rng, asian);
        let middle = if self.chance(0.5) { self.names.forename(&mut self.rng, asian, gender) } else { String::new() };
        let institution = self.chance(0.04);
        let postcode = if institution { pick(&mut self.rng, &self.hostels).clone() } else { self.postcode() };
        let dob = self.dob();
        let mut person = Person {
            id: 0,
            forename,
            middle,
            surname,
            dob,
            gender,
            postcode,
            institution,
            pnc: None,
            cro: None,
            prison: None,
            aliases: Vec::new(),
            sentences: Vec::new(),
        };
        if self.chance(0.10) {
            for _ in 0..self.rng.random_range(1..3) {
                let forename = if self.chance(0.5) {
                    person.forename.clone()
                } else {
                    self.names.forename(&mut self.rng, asian, gender)
                };
                let dob = self.chance(0.3).then(|| self.dob());
                let surname = self.names.surname(&mut self.rng, asian);
                person.aliases.push((forename, surname, dob));
            }
        }
        self.own_facts(&mut person);
        person
    }

    /// What no two people share: numbers and sentences.
    fn own_facts(&mut self, person: &mut Person) {
        self.next_id += 1;
        person.id = self.next_id;
        person.pnc = self.chance(0.97).then(|| self.pnc());
        person.cro = self.chance(0.6).then(|| format!("{}/{}", self.rng.random_range(1..999_999), self.next_id % 90));
        person.prison = self.chance(0.5).then(|| {
            let letter = |n: i64| char::from(b'A' + (n % 26) as u8);
            format!("A{:04}{}{}", self.next_id % 10_000, letter(self.next_id / 10_000), letter(self.next_id / 260_000))
        });
        person.sentences = self.sentences(person.dob);
    }

    fn twin(&mut self, of: &Person) -> Person {
        let gender = if self.chance(0.8) { of.gender } else { self.any_gender() };
        let mut twin = Person { gender, aliases: Vec::new(), ..of.clone() };
        while twin.forename == of.forename {
            twin.forename = self.names.forename(&mut self.rng, false, gender);
        }
        twin.middle = if self.chance(0.5) { self.names.forename(&mut self.rng, false, gender) } else { String::new() };
        self.maybe_moved(&mut twin, 0.5);
        self.own_facts(&mut twin);
        twin
    }

    fn sibling(&mut self, of: &Person) -> Person {
        let mut sibling = self.twin(of);
        sibling.dob = of.dob.plus_days(self.rng.random_range(300..3_000) * if self.chance(0.5) { 1 } else { -1 });
        sibling.sentences = self.sentences(sibling.dob);
        sibling
    }

    fn namesake_child(&mut self, of: &Person) -> Person {
        let mut child = Person { aliases: Vec::new(), ..of.clone() };
        // The known one is the parent, or the child where there is no time for a child of age.
        let years = self.rng.random_range(17 * 365..38 * 365);
        let young = Day::from_ymd(1996, 1, 1).unwrap();
        child.dob = of.dob.plus_days(if of.dob.plus_days(years) < young { years } else { -years });
        self.maybe_moved(&mut child, 0.4);
        self.own_facts(&mut child);
        child
    }

    fn namesake_stranger(&mut self, of: &Person) -> Person {
        let mut double = Person { aliases: Vec::new(), ..self.person() };
        double.forename = of.forename.clone();
        double.surname = of.surname.clone();
        double.dob = of.dob;
        double.gender = of.gender;
        double
    }

    fn any_gender(&mut self) -> Gender {
        if self.chance(0.5) { Gender::Female } else { Gender::Male }
    }

    fn maybe_moved(&mut self, person: &mut Person, p: f64) {
        if self.chance(p) {
            person.postcode = self.postcode();
            person.institution = false;
        }
    }

    fn typo(&mut self, text: &str) -> String {
        let mut letters: Vec<char> = text.chars().collect();
        if letters.len() < 2 {
            return text.to_owned();
        }
        let at = self.rng.random_range(0..letters.len());
        let random = char::from(b'A' + self.rng.random_range(0..26_u8));
        match self.rng.random_range(0..4) {
            0 => letters[at] = random,
            1 => drop(letters.remove(at)),
            2 => letters.insert(at, random),
            _ => {
                let first = at.min(letters.len() - 2);
                letters.swap(first, first + 1);
            }
        }
        letters.into_iter().collect()
    }

    fn dob_typo(&mut self, dob: Day) -> Day {
        loop {
            let (y, m, d) = dob.ymd();
            let mut digits: Vec<u8> = format!("{y:04}{m:02}{d:02}").into_bytes();
            let at = self.rng.random_range(2..8);
            if at < 7 && self.chance(0.3) {
                digits.swap(at, at + 1);
            } else {
                digits[at] = b'0' + self.rng.random_range(0..10_u8);
            }
            let text = String::from_utf8(digits).unwrap();
            let part = |range: std::ops::Range<usize>| text[range].parse::<i16>().unwrap();
            if let Some(day) = Day::from_ymd(part(0..4), part(4..6) as i8, part(6..8) as i8).filter(|&day| day != dob) {
                return day;
            }
        }
    }

    /// Writes the row that a provider would send about `person`.
    fn row(&mut self, person: &Person, truth: Option<i64>, nicknames: &Nicknames) -> Row {
        let mut tags = Vec::new();
        let mut sent = person.clone();
        let mut row_gender = Some(sent.gender);
        if self.chance(0.037) && !sent.aliases.is_empty() || (!sent.aliases.is_empty() && self.chance(0.33)) {
            let (forename, surname, dob) = pick(&mut self.rng, &sent.aliases).clone();
            (sent.forename, sent.surname) = (forename, surname);
            sent.dob = dob.unwrap_or(sent.dob);
            tags.push("alias used");
        }
        if self.chance(0.05)
            && let Some(group) = nicknames.group(&sent.forename)
        {
            let names = &nicknames.0[usize::from(group)];
            let other = pick(&mut self.rng, names).clone();
            if other != sent.forename {
                sent.forename = other;
                tags.push("nickname");
            }
        } else if self.chance(0.012) {
            sent.forename.truncate(1);
            tags.push("initial");
        } else if !sent.middle.is_empty() && self.chance(0.024) {
            sent.forename = std::mem::take(&mut sent.middle);
            tags.push("middle name as forename");
        } else if self.chance(0.03) {
            sent.forename = self.typo(&sent.forename);
            tags.push("forename typo");
        }
        // Few forms ask for it.
        sent.middle.clear();
        if self.chance(if sent.gender == Gender::Female { 0.04 } else { 0.007 }) {
            sent.surname = self.names.surname(&mut self.rng, false);
            tags.push("surname changed");
        } else if self.chance(0.006) {
            sent.surname = format!("{}-{}", sent.surname, self.names.surname(&mut self.rng, false));
            tags.push("double-barrelled");
        } else if self.chance(0.03) {
            sent.surname = self.typo(&sent.surname);
            tags.push("surname typo");
        }
        if self.chance(0.013) {
            std::mem::swap(&mut sent.forename, &mut sent.surname);
            tags.push("names swapped");
        }
        let (mut placeholder, mut no_dob) = (false, false);
        let (y, m, d) = sent.dob.ymd();
        if self.chance(0.025) {
            sent.dob = self.dob_typo(sent.dob);
            tags.push("dob typo");
        } else if d <= 12 && d != m && self.chance(0.03) {
            sent.dob = Day::from_ymd(y, d, m).unwrap();
            tags.push("day and month swapped");
        } else if self.chance(0.006) {
            sent.dob = Day::from_ymd(y, 1, 1).unwrap();
            placeholder = true;
            tags.push("placeholder dob");
        } else if self.chance(0.004) {
            no_dob = true;
            tags.push("no dob");
        }
        if self.chance(0.004) {
            row_gender = Some(if sent.gender == Gender::Male { Gender::Female } else { Gender::Male });
        } else if self.chance(0.03) {
            row_gender = None;
        }
        let mut postcode = Some(sent.postcode.clone());
        if self.chance(0.35) {
            postcode = Some(self.postcode());
            sent.institution = false;
        } else if self.chance(0.1) {
            postcode = None;
        }
        let mut pnc = sent.pnc.filter(|_| self.rng.random_bool(0.6));
        if let Some(id) = &mut pnc {
            if self.chance(0.01) {
                id.letter = if id.letter == 'Z' { 'A' } else { 'Z' };
                tags.push("pnc letter wrong");
            } else if self.chance(0.01) {
                let unit = 10_u32.pow(self.rng.random_range(0..6));
                id.serial = if id.serial / unit % 10 == 9 { id.serial - unit } else { id.serial + unit };
                tags.push("pnc digit wrong");
            }
        }
        let sentence = if self.chance(0.6) {
            let mut sentence = sent.sentences.last().copied();
            if self.chance(0.12)
                && let Some(sentence) = &mut sentence
            {
                sentence.start = sentence.start.plus_days(self.rng.random_range(-20..20));
                tags.push("sentence start off");
            }
            if self.chance(0.1)
                && let Some(Sentence { end: Some(end), .. }) = &mut sentence
            {
                *end = end.plus_days(self.rng.random_range(-60..60));
            }
            sentence
        } else {
            None
        };
        let intervention = sent
            .sentences
            .last()
            .filter(|_| self.rng.random_bool(0.9))
            .map(|held| held.start.plus_days(self.rng.random_range(0..200)));
        let prison = sent.prison.clone().filter(|_| self.rng.random_bool(0.4));
        Row {
            truth,
            tags,
            person: sent,
            gender: row_gender,
            postcode,
            pnc,
            prison,
            sentence,
            intervention,
            placeholder,
            no_dob,
        }
    }
}

fn postcode_number(n: usize) -> String {
    const AREAS: [&str; 40] = [
        "B", "BA", "BB", "BD", "BH", "BL", "BN", "BS", "CB", "CF", "CH", "CM", "CR", "CV", "DE", "DN", "E", "EN", "EX",
        "G", "GL", "HD", "HU", "IP", "KT", "L", "LE", "LS", "LU", "M", "ME", "N", "NE", "NG", "NN", "OL", "PE", "S",
        "SE", "SW",
    ];
    const LETTERS: &[u8] = b"ABDEFGHJLNPQRSTUWXYZ";
    let (area, rest) = (AREAS[n % 40], n / 40);
    let (district, rest) = (rest % 30 + 1, rest / 30);
    let (sector, unit) = (rest % 10, rest / 10);
    let letter = |k: usize| char::from(LETTERS[k % 20]);
    format!("{area}{district} {sector}{}{}", letter(unit), letter(unit / 20))
}

impl World {
    /// A register of about `persons` and a cohort of `submitted`, a tenth of it not in the register and half of those planted traps.
    pub fn new(persons: usize, submitted: usize, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let names = Names::new(&mut rng);
        let postcodes = (persons / 2).clamp(2_000, 1_500_000);
        let hostels = (0..(persons / 4_000).max(5)).map(|n| postcode_number(n * 31 + 7)).collect();
        let mut maker = Maker { rng, names, next_pnc: 0, next_id: 0, postcodes, hostels };
        let nicknames = Nicknames::new();

        let mut register: Vec<Person> = Vec::with_capacity(persons);
        while register.len() < persons {
            let person = maker.person();
            if maker.chance(0.015) {
                register.push(maker.twin(&person));
            }
            if maker.chance(0.12) {
                register.push(maker.sibling(&person));
            }
            if maker.chance(0.01) {
                register.push(maker.namesake_child(&person));
            }
            register.push(person);
        }
        let mut cohort: Vec<Row> = Vec::with_capacity(submitted);
        let absent = submitted / 10;
        for _ in 0..absent {
            let known = register[maker.rng.random_range(0..register.len())].clone();
            let (trap, person) = match maker.rng.random_range(0..20) {
                0..10 => ("absent random", maker.person()),
                10..12 => ("absent twin", maker.twin(&known)),
                12..14 => ("absent sibling", maker.sibling(&known)),
                14..17 => ("absent child of same name", maker.namesake_child(&known)),
                _ => ("absent same name and dob", maker.namesake_stranger(&known)),
            };
            // The last trap is rare in life.
            let (trap, person) = if trap.ends_with("and dob") && maker.chance(0.8) {
                ("absent random", maker.person())
            } else {
                (trap, person)
            };
            let mut row = maker.row(&person, None, &nicknames);
            row.tags.insert(0, trap);
            cohort.push(row);
        }
        let mut chosen = std::collections::HashSet::new();
        while cohort.len() < submitted {
            let at = maker.rng.random_range(0..register.len());
            if chosen.insert(at) {
                let person = register[at].clone();
                let row = maker.row(&person, Some(person.id), &nicknames);
                cohort.push(row);
            }
        }
        // A wrong number: the next row's, or any stranger's.
        for at in 0..cohort.len() {
            if maker.chance(0.003) {
                cohort[at].pnc = cohort[(at + 1) % submitted].pnc;
                cohort[at].tags.push("next row's pnc");
            } else if maker.chance(0.0025) {
                cohort[at].pnc = register[maker.rng.random_range(0..register.len())].pnc;
                cohort[at].tags.push("stranger's pnc");
            }
        }
        let mut phonetics = std::collections::HashMap::new();
        let mut learn = |name: &str| {
            if !phonetics.contains_key(name) {
                phonetics.insert(name.to_owned(), soundex(name));
            }
        };
        for person in register.iter().chain(cohort.iter().map(|row| &row.person)) {
            learn(&person.forename);
            learn(&person.surname);
            for (forename, surname, _) in &person.aliases {
                learn(forename);
                learn(surname);
            }
        }
        Self { register, cohort, nicknames, phonetics }
    }

    fn name<'a>(&'a self, text: &'a str, forename: bool) -> Name<'a> {
        let phonetic = self.phonetics.get(text).map_or("", String::as_str);
        Name { text, phonetic, nickname_group: if forename { self.nicknames.group(text) } else { None } }
    }

    fn person_name<'a>(&'a self, forename: &'a str, middle: &'a str, surname: &'a str) -> PersonName<'a> {
        PersonName { forename: self.name(forename, true), middle, surname: self.name(surname, false) }
    }

    /// The register as linkage sees it.
    pub fn register_records(&self) -> Vec<RegisterPerson<'_>> {
        self.register
            .iter()
            .map(|p| RegisterPerson {
                person_id: p.id,
                name: self.person_name(&p.forename, &p.middle, &p.surname),
                aliases: p
                    .aliases
                    .iter()
                    .map(|(forename, surname, dob)| Alias { name: self.person_name(forename, "", surname), dob: *dob })
                    .collect(),
                dob: Some(p.dob),
                gender: Some(p.gender),
                postcode: Some(Postcode { text: &p.postcode, pseudo: false, institution: p.institution }),
                pnc_ids: p.pnc.into_iter().collect(),
                cros: p.cro.iter().map(String::as_str).collect(),
                prison_numbers: p.prison.iter().map(String::as_str).collect(),
                sentences: p.sentences.clone(),
            })
            .collect()
    }

    /// The cohort as linkage sees it.
    pub fn submissions(&self) -> Vec<SubmittedPerson<'_>> {
        self.cohort
            .iter()
            .map(|row| SubmittedPerson {
                name: self.person_name(&row.person.forename, &row.person.middle, &row.person.surname),
                dob: (!row.no_dob).then_some(row.person.dob),
                dob_other_reading: None,
                dob_placeholder: row.placeholder,
                gender: row.gender,
                postcode: row.postcode.as_deref().map(|text| Postcode {
                    text,
                    pseudo: false,
                    institution: row.person.institution,
                }),
                pnc_id: row.pnc,
                cro: None,
                prison_number: row.prison.as_deref(),
                sentence_start: row.sentence.map(|s| s.start),
                sentence_end: row.sentence.and_then(|s| s.end),
                intervention_start: row.intervention,
            })
            .collect()
    }
}
