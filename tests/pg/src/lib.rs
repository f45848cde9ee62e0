//! A laboratory for one test: a database of its own with jdl in it, and connections as the people of the lab.
//!
//! Run inside `scripts/with-cluster`, which sets PGHOST and PGPORT and leaves a template database `jdl_template`.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use postgres::{Client, Config, NoTls};

mod cases;

pub use cases::run_cases;

/// The people of the lab and the roles they are members of. Logins belong to the cluster, so every test shares them.
pub const PEOPLE: [(&str, &str); 8] = [
    ("ida", "jdl_intake"),
    ("ann", "jdl_analyst"),
    ("amy", "jdl_analyst"),
    ("bob", "jdl_approver"),
    ("dan", "jdl_dba"),
    ("aud", "jdl_auditor"),
    ("bea", "jdl_reader"),
    ("eve", ""),
];

/// The assurances that a provider has to confirm.
pub const ASSURED: &str = r#"{"legal_basis_confirmed": true, "sharing_gateway_confirmed": true}"#;

/// A database of its own, dropped with the value.
pub struct Lab {
    /// Name of the database.
    pub database: String,
}

impl Lab {
    /// A fresh copy of the template.
    pub fn new(name: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let database = format!("t_{name}_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut admin = connect("postgres", "postgres");
        // Roles and template copies are the cluster's: one test at a time makes them.
        admin.batch_execute("SELECT pg_advisory_lock(42)").unwrap();
        for (person, role) in PEOPLE {
            let member = if role.is_empty() { String::new() } else { format!("IN ROLE {role}") };
            let known = admin.query("SELECT FROM pg_roles WHERE rolname = $1", &[&person]).unwrap();
            if known.is_empty() {
                admin.batch_execute(&format!("CREATE ROLE {person} LOGIN {member}")).unwrap();
            }
        }
        admin.batch_execute(&format!("CREATE DATABASE {database} TEMPLATE jdl_template")).unwrap();
        // As docs/administration.md asks: a copy of a database does not copy who may do what in it.
        admin.batch_execute(&format!("REVOKE CREATE, TEMPORARY ON DATABASE {database} FROM PUBLIC")).unwrap();
        admin.batch_execute("SELECT pg_advisory_unlock(42)").unwrap();
        Self { database }
    }

    /// A connection as one of [`PEOPLE`], or as `postgres`, the superuser.
    pub fn connect(&self, person: &str) -> Client {
        connect(&self.database, person)
    }

    /// The superuser's connection.
    pub fn admin(&self) -> Client {
        self.connect("postgres")
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // Another test's lab must not fail because this one cannot be removed.
        let _ = connect("postgres", "postgres").batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.database));
    }
}

/// A connection to a database as a person.
pub fn connect(database: &str, person: &str) -> Client {
    let host = std::env::var("PGHOST").expect("run me inside scripts/with-cluster");
    let mut config = Config::new();
    config.host_path(host).port(5432).user(person).dbname(database);
    config.connect(NoTls).unwrap()
}

/// Whether the server has pg_cron; says so where it has not.
pub fn has_cron() -> bool {
    let has: bool = one(
        &mut connect("postgres", "postgres"),
        "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_cron')",
    );
    if !has {
        println!("pg_cron: this server has none");
    }
    has
}

/// SQLSTATE and message of a statement that must fail.
pub fn refusal(client: &mut Client, sql: &str) -> (String, String) {
    match client.batch_execute(sql) {
        Ok(()) => panic!("was not refused: {sql}"),
        Err(error) => {
            let error = error.as_db_error().expect("an error of the database");
            let parts = [Some(error.message()), error.detail(), error.hint(), error.where_()];
            (error.code().code().to_owned(), parts.into_iter().flatten().collect::<Vec<_>>().join("\n"))
        }
    }
}

/// The only value of the only row.
pub fn one<T: for<'a> postgres::types::FromSql<'a>>(client: &mut Client, sql: &str) -> T {
    client.query_one(sql, &[]).unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0)
}

/// `COPY ... FROM STDIN` with these bytes; returns how many rows the server took.
pub fn copy_in(client: &mut Client, copy: &str, bytes: &[u8]) -> Result<u64, postgres::Error> {
    let mut writer = client.copy_in(copy)?;
    writer.write_all(bytes).expect("the server reads on until it knows what is wrong");
    writer.finish()
}

/// A cell of a CSV file: empty for none, quoted.
pub fn cell(value: Option<&str>) -> String {
    value.map_or(String::new(), |value| format!("\"{}\"", value.replace('"', "\"\"")))
}

/// The rows of a simple CSV file (no quotes) after its header.
pub fn rows(csv: &str) -> Vec<Vec<&str>> {
    csv.lines().skip(1).map(|line| line.split(',').collect()).collect()
}

/// The day so many days after 2000-01-01, as ISO 8601 (Hinnant 2013, `civil_from_days`).
pub fn iso(days_since_2000: i32) -> String {
    let z = days_since_2000 + 10_957 + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    format!("{:04}-{month:02}-{day:02}", yoe + era * 400 + i32::from(month <= 2))
}

impl Lab {
    /// Opens a request as ida, with options.
    pub fn open(&self, options: &str) -> i64 {
        let sql = format!(
            "SELECT jdl_open_request('Example Trust', 'the Fresh Start programme', 'cjsm', '{ASSURED}', '{options}')"
        );
        one(&mut self.connect("ida"), &sql)
    }

    /// Loads a CSV file into a request as ida does: its header names the columns. A refusal is SQLSTATE and text.
    pub fn load(&self, request: i64, csv: &str) -> Result<u64, (String, String)> {
        self.psql_load("ida", &format!("SET jdl.request_id = '{request}'"), csv)
    }

    /// Loads a CSV file with psql after a statement of its own. (rust-postgres loses step with the server where a COPY is refused
    /// before its first byte is read, so it cannot be asked for the reason.)
    pub fn psql_load(&self, person: &str, before: &str, csv: &str) -> Result<u64, (String, String)> {
        let header = csv.lines().next().expect("a header");
        let mut psql = Command::new("psql")
            .args(["-X", "-U", person, "-d", &self.database, "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose"])
            .args(["-c", before, "-c", &format!("COPY jdl.submission ({header}) FROM STDIN (FORMAT csv, HEADER)")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("psql is on the path of scripts/with-cluster");
        // Whoever refuses the load does not read to its end.
        let _ = psql.stdin.take().expect("its input").write_all(csv.as_bytes());
        let said = psql.wait_with_output().unwrap();
        let (out, text) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
        match out.lines().find_map(|line| line.strip_prefix("COPY ")) {
            Some(count) => Ok(count.parse().unwrap()),
            None => {
                let error = text.split_once("ERROR:  ").unwrap_or_else(|| panic!("psql says: {text}")).1;
                let (state, text) = error.split_once(": ").unwrap();
                Err((state.to_owned(), text.to_owned()))
            }
        }
    }

    /// Bob signs off that an analyst works on a request.
    pub fn assign(&self, person: &str, request: i64) {
        let sql = format!("SELECT jdl_grant_access('{person}', 'jdl_analyst', {request}, 'a test', current_date)");
        self.connect("bob").batch_execute(&sql).unwrap();
    }

    /// A made-up register with a list of made-up people loaded into a request that ann is assigned to.
    pub fn made_up(&self, persons: u32, submissions: u32) -> i64 {
        let mut dan = self.connect("dan");
        dan.batch_execute(&format!("SELECT jdl_synthesise_register({persons}, 1)")).unwrap();
        let request = self.open("{}");
        self.load(request, &self.made_up_list(submissions, 7)).unwrap();
        self.assign("ann", request);
        request
    }

    /// A made-up provider's list as CSV with a header.
    pub fn made_up_list(&self, submissions: u32, seed: u32) -> String {
        let copy =
            format!("COPY (SELECT * FROM jdl_synthesise_cohort({submissions}, {seed})) TO STDOUT (FORMAT csv, HEADER)");
        let mut list = String::new();
        self.connect("dan").copy_out(&copy).unwrap().read_to_string(&mut list).unwrap();
        list
    }

    /// Fills the register with the people of a published study, each in a made-up identity, and returns the list that the
    /// provider of the treated would send. Person n of the register is `lives[n - 1]`.
    pub fn dress(&self, lives: &[Life]) -> String {
        let mut file: [String; 3] = Default::default();
        let mut list = String::from(
            "forename,surname,date_of_birth,gender,postcode,pnc_id,prison_number,sentence_start,sentence_end,intervention_start,intervention_end\n",
        );
        let (mut sentences, mut offences) = (0, 0);
        for (at, life) in lives.iter().enumerate() {
            let n = at + 1;
            let (forename, surname) =
                (FORENAMES[at % FORENAMES.len()], SURNAMES[at / FORENAMES.len() % SURNAMES.len()]);
            let serial = 100_000 + 37 * n as u64;
            let letter = b"ZABCDEFGHJKLMNPQRTUVWXY"[((95 * 10_000_000 + serial) % 23) as usize] as char;
            let pnc_id = format!("1995/{serial:07}{letter}");
            let postcode = format!("LS{} {}{}A", 1 + n % 27, n % 10, b"ABDEFGHJLN"[n % 7] as char);
            let birth = iso(life.release - life.age_days);
            let start = life.release - life.served_days;
            file[0] +=
                &format!("{n},{pnc_id},,,{forename},,{surname},{birth},M,{},British,{postcode}\n", life.ethnicity);
            // The sentences before: older than the years that a request can be about.
            for back in 0..life.priors {
                let day = (start - 30).min(600) - 20 * back as i32;
                sentences += 1;
                offences += 1;
                file[1] += &format!("{sentences},{n},Community Order,{},{},Theft\n", iso(day), iso(day + 10));
                file[2] +=
                    &format!("{offences},{n},{},{},Conviction,Theft,Triable either way,f\n", iso(day - 15), iso(day));
            }
            sentences += 1;
            file[1] +=
                &format!("{sentences},{n},Custody,{},{},{}\n", iso(start), iso(life.release), life.offence_group);
            if let Some(days) = life.reoffended_after {
                offences += 1;
                let day = life.release + days;
                file[2] +=
                    &format!("{offences},{n},{},{},Conviction,Theft,Triable either way,t\n", iso(day), iso(day + 60));
            }
            if life.treated {
                // Every third record comes without its PNC id.
                let known = if n % 3 == 0 { "" } else { &pnc_id };
                list += &format!(
                    "{forename},{surname},{birth},Male,{postcode},{known},,{},{},{},{}\n",
                    iso(start),
                    iso(life.release),
                    iso(life.release),
                    iso(life.release + 91)
                );
            }
        }
        let mut admin = self.admin();
        let columns = [
            "person (person_id, pnc_id, cro, prison_number, forename, middle_name, surname, date_of_birth, gender, ethnicity, nationality, postcode)",
            "sentence (sentence_id, person_id, kind, start_date, end_date, offence_group)",
            "offence (offence_id, person_id, offence_date, outcome_date, outcome, offence_group, court_category, custodial)",
        ];
        for (table, rows) in columns.iter().zip(&file) {
            let copy = format!("COPY jdl_restricted.{table} FROM STDIN (FORMAT csv)");
            assert_eq!(copy_in(&mut admin, &copy, rows.as_bytes()).unwrap(), rows.lines().count() as u64);
        }
        let valid: i64 =
            one(&mut admin, "SELECT count(*) FROM jdl_restricted.person WHERE jdl_pnc_id_status(pnc_id) = 'valid'");
        assert_eq!(valid, lives.len() as i64, "the made-up PNC ids are well formed");
        self.connect("dan").batch_execute("SELECT jdl_register_refresh()").unwrap();
        list
    }
}

/// What a published study knows of a person. Days count from 2000-01-01 or are spans.
pub struct Life {
    /// Belongs to the treatment group.
    pub treated: bool,
    /// Day of release from custody.
    pub release: i32,
    /// Age at release.
    pub age_days: i32,
    /// Time served until the release.
    pub served_days: i32,
    /// Ethnicity as the register spells it.
    pub ethnicity: &'static str,
    /// Offence group of the sentence.
    pub offence_group: &'static str,
    /// Convictions before.
    pub priors: u32,
    /// Days from release to the first offence, if there was one.
    pub reoffended_after: Option<i32>,
}

const FORENAMES: [&str; 40] = [
    "James",
    "John",
    "Robert",
    "Michael",
    "William",
    "David",
    "Richard",
    "Joseph",
    "Thomas",
    "Charles",
    "Christopher",
    "Daniel",
    "Matthew",
    "Anthony",
    "Mark",
    "Donald",
    "Steven",
    "Paul",
    "Andrew",
    "Joshua",
    "Kenneth",
    "Kevin",
    "Brian",
    "George",
    "Timothy",
    "Ronald",
    "Edward",
    "Jason",
    "Jeffrey",
    "Ryan",
    "Jacob",
    "Gary",
    "Nicholas",
    "Eric",
    "Jonathan",
    "Stephen",
    "Larry",
    "Justin",
    "Scott",
    "Brandon",
];
const SURNAMES: [&str; 40] = [
    "Smith", "Jones", "Taylor", "Brown", "Williams", "Wilson", "Johnson", "Davies", "Patel", "Robinson", "Wright",
    "Thompson", "Evans", "Walker", "White", "Roberts", "Green", "Hall", "Thomas", "Clarke", "Jackson", "Wood",
    "Harris", "Edwards", "Turner", "Martin", "Cooper", "Hill", "Ward", "Hughes", "Moore", "Clark", "King", "Harrison",
    "Lewis", "Baker", "Lee", "Allen", "Morris", "Khan",
];
