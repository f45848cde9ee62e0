//! The methods of matching on any query, and the comparison group of a request: covariates as of the index date, the pool and its
//! losses, the designs that were tried.

use jdl_surface::{Lab, one, refusal};
use postgres::Client;
use serde_json::Value;

/// 2,000 rows, about one in eight treated, with a covariate of each kind.
const ROWS: &str = "CREATE TABLE rows AS
    SELECT n::bigint AS id, (hashint4(n) % 100 + 100) % 100 < 6 + n % 5 * 3 AS treated, n % 5 AS count, sin(n)::float8 AS x, (n % 7)::float8 / 7 AS y,
           n % 3 = 0 AS flag, (ARRAY['north', 'south', 'east'])[1 + n % 3 * (n % 2)] AS region
    FROM generate_series(1, 2000) n; ANALYZE rows; GRANT SELECT ON rows TO PUBLIC";

fn lab(name: &str) -> (Lab, Client) {
    let lab = Lab::new(name);
    lab.admin().batch_execute(ROWS).unwrap();
    let ann = lab.connect("ann");
    (lab, ann)
}

/// Everything that the three functions say of a query, as one text.
fn everything(client: &mut Client, query: &str, options: &str) -> String {
    let query = query.replace('\'', "''");
    let call = |function: &str| format!("jdl_{function}('{query}', '{options}')");
    let text = |call: String| format!("(SELECT md5(string_agg(f::text, ';' ORDER BY f::text)) FROM {call} f)");
    let sql = format!(
        "SELECT concat_ws(' ', {}, {}, {}, md5({}::text))",
        text(call("match_controls")),
        text(call("propensity")),
        text(call("balance")),
        call("match_summary")
    );
    one(client, &sql)
}

const DESIGNS: [&str; 5] = [
    "{}",
    r#"{"method": "radius", "link": "linear.logit", "caliper": 0.2, "caliper_grid": [0.05, 0.1, 0.5]}"#,
    r#"{"method": "optimal", "caliper": "smallest"}"#,
    r#"{"distance": "mahalanobis", "replace": true, "ratio": 2}"#,
    r#"{"method": "entropy", "squares": true, "interactions": true}"#,
];

#[test]
fn neither_the_order_of_rows_nor_parallel_workers_change_a_digit() {
    let (_lab, mut ann) = lab("digits");
    let plain = "SELECT * FROM rows";
    let parallel = "SET max_parallel_workers_per_gather = 3; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0";
    for design in DESIGNS {
        let straight = everything(&mut ann, plain, design);
        for order in ["id DESC", "x", "region, y, id"] {
            assert_eq!(
                straight,
                everything(&mut ann, &format!("{plain} ORDER BY {order}"), design),
                "{design} by {order}"
            );
        }
        ann.batch_execute(parallel).unwrap();
        let plan: Vec<String> =
            ann.query(&format!("EXPLAIN {plain}"), &[]).unwrap().iter().map(|row| row.get(0)).collect();
        assert!(plan[0].contains("Gather"), "{plan:?}");
        assert_eq!(straight, everything(&mut ann, plain, design), "{design} in parallel");
        ann.batch_execute("RESET ALL").unwrap();
    }
}

#[test]
fn a_number_is_the_same_number_in_every_type() {
    let (lab, mut ann) = lab("types");
    let scores = |client: &mut Client, column: &str| -> String {
        one(
            client,
            &format!(
                "SELECT md5(string_agg(id || ' ' || score, ',' ORDER BY id)) FROM jdl_propensity('SELECT id, treated, x, {column} AS c FROM rows')"
            ),
        )
    };
    lab.admin()
        .batch_execute("CREATE DOMAIN small AS integer; CREATE DOMAIN truth AS boolean; GRANT USAGE ON TYPE small, truth TO PUBLIC")
        .unwrap();
    let wanted = scores(&mut ann, "count::float8");
    for kind in ["smallint", "integer", "bigint", "real", "numeric", "numeric(9,3)", "small"] {
        assert_eq!(scores(&mut ann, &format!("count::{kind}")), wanted, "{kind}");
    }
    let wanted = scores(&mut ann, "flag");
    assert_eq!(scores(&mut ann, "flag::integer"), wanted);
    assert_eq!(scores(&mut ann, "flag::truth"), wanted);
    // Numerics of every shape become the double that the server makes of them.
    for numeric in [
        "x::numeric",
        "-x::numeric",
        "y::numeric",
        "round(x::numeric * 1e9) / 7",
        "(id * 1234567.89)::numeric",
        "count * 1e20::numeric + 1",
        "count / 3e15",
        "count * 1e-30::numeric",
        "x::numeric * 9007199254740993",
        "count * 10000::numeric",
        "count * -0.0001",
        "(count - 2) * 12345678901234567890.123456789",
    ] {
        assert_eq!(
            scores(&mut ann, &format!("({numeric})::numeric")),
            scores(&mut ann, &format!("({numeric})::float8")),
            "{numeric}"
        );
    }
    let wanted = scores(&mut ann, "region");
    for kind in ["varchar", "varchar(10)", "name"] {
        assert_eq!(scores(&mut ann, &format!("region::{kind}")), wanted, "{kind}");
    }
    // Texts so long that they are stored compressed or elsewhere.
    lab.admin()
        .batch_execute("CREATE TABLE long AS SELECT id, treated, x, repeat(region, 3000) AS c FROM rows; GRANT SELECT ON long TO PUBLIC")
        .unwrap();
    let long: String = one(
        &mut ann,
        "SELECT md5(string_agg(id || ' ' || score, ',' ORDER BY id)) FROM jdl_propensity('SELECT * FROM long')",
    );
    assert_eq!(long, wanted);
}

fn refused(client: &mut Client, query: &str, options: &str) -> (String, String) {
    let query = query.replace('\'', "''");
    refusal(client, &format!("SELECT * FROM jdl_match_controls('{query}', '{options}')"))
}

#[test]
fn bad_input_is_refused_by_column_record_and_rule_and_never_by_value() {
    let (_lab, mut ann) = lab("bad_rows");
    let with = |cell: &str| {
        format!("SELECT id, treated, x, CASE WHEN id = 1234 THEN {cell} ELSE y END AS y FROM rows ORDER BY id")
    };
    for (query, state, said) in [
        (with("NULL"), "22023", "y: is missing in record 1234"),
        (with("'NaN'"), "22023", "y: is not a finite number in record 1234"),
        (with("'Infinity'"), "22023", "y: is not a finite number in record 1234"),
        (with("'-Infinity'"), "22023", "y: is not a finite number in record 1234"),
        ("SELECT id, treated, x, CASE WHEN id = 7 THEN 'NaN' ELSE y::numeric END AS y FROM rows ORDER BY id".into(), "22023", "y: is not a finite number in record 7"),
        ("SELECT id, treated, x, nullif(region, 'east') AS region FROM rows ORDER BY id".into(), "22023", "region: is missing in record"),
        ("SELECT nullif(id, 3) AS id, treated, x FROM rows ORDER BY rows.id".into(), "22023", "id: is null in record 3"),
        ("SELECT id, CASE WHEN id <> 3 THEN treated END AS treated, x FROM rows ORDER BY id".into(), "22023", "treated: is null in record 3"),
        ("SELECT id / 2 AS id, treated, x FROM rows".into(), "22023", "id: is the same in records"),
        ("SELECT id, treated, id::text AS street FROM rows WHERE id <= 1500".into(), "22023", "street: has 1500 levels"),
        ("SELECT id, treated, md5(id::text) AS street FROM (SELECT n::bigint AS id, n % 9 = 0 AS treated FROM generate_series(1, 10000) n) big".into(), "22023", "street: has 10000 levels"),
        ("SELECT id, treated FROM rows".into(), "22023", "query: returns no covariate"),
        ("SELECT id::integer AS id, treated, x FROM rows".into(), "22023", "query: column \"id\" must be of type bigint"),
        ("SELECT id, treated::integer AS treated, x FROM rows".into(), "22023", "query: column \"treated\" must be of type boolean"),
        ("SELECT id, x FROM rows".into(), "22023", "query: must return the columns"),
        ("SELECT id, treated, now() AS moment FROM rows".into(), "22023", "query: column \"moment\" must be numeric, boolean or text"),
        ("SELECT id, treated, x, x FROM rows".into(), "22023", "x: column names must be different"),
        ("SELECT id, treated, id, x FROM rows".into(), "22023", "query: returns column \"id\" twice"),
        ("SELECT id, false AS treated, x FROM rows".into(), "55000", "too few treated: 0, at least 1 needed"),
        ("SELECT id, true AS treated, x FROM rows".into(), "55000", "too few controls: 0, at least 1 needed"),
        ("SELECT id, treated, x FROM rows WHERE false".into(), "55000", "too few treated: 0, at least 1 needed"),
        ("SELECT 1; SELECT 2".into(), "22023", "query: must be one query that returns rows"),
        ("CREATE TABLE mine (id bigint)".into(), "22023", "query: must be one query that returns rows"),
        ("SELEC".into(), "42601", "syntax error"),
        ("SELECT id, treated, 1 / (id - 5) AS y FROM rows".into(), "22012", "division by zero"),
    ] {
        let (found, text) = refused(&mut ann, &query, "{}");
        assert!(found == state && text.starts_with(said), "{query}: {found} {text}");
    }
    // It reads, and nothing else.
    assert_eq!(refused(&mut ann, "DELETE FROM rows RETURNING id, treated, x", "{}").0, "0A000");
    // The connection is as good as new.
    assert_eq!(one::<i64>(&mut ann, "SELECT count(*) FROM jdl_propensity('SELECT * FROM rows')"), 2_000);
}

#[test]
fn odd_but_answerable_input_is_answered_and_said() {
    let (_lab, mut ann) = lab("odd_rows");
    let count = |client: &mut Client, query: &str, options: &str| -> i64 {
        one(client, &format!("SELECT count(*) FROM jdl_match_controls('{}', '{options}')", query.replace('\'', "''")))
    };
    let summary = |client: &mut Client, query: &str, options: &str| -> Value {
        one(client, &format!("SELECT jdl_match_summary('{}', '{options}')", query.replace('\'', "''")))
    };
    // A constant covariate is left out by name, and changes nothing.
    let constant = "SELECT *, 3 AS same, 'only' AS word FROM rows";
    assert_eq!(summary(&mut ann, constant, "{}")["aliased"], serde_json::json!(["same"]));
    assert_eq!(count(&mut ann, constant, "{}"), count(&mut ann, "SELECT * FROM rows", "{}"));
    // Perfect separation: a named penalty, or a refusal where that was asked for.
    let separated = "SELECT id, treated, treated::integer * 10 + y AS z FROM rows";
    assert_eq!(summary(&mut ann, separated, "{}")["penalty"], "firth_for_separation");
    assert!(count(&mut ann, separated, "{}") > 0);
    let (state, text) = refused(&mut ann, separated, r#"{"separation": "refuse"}"#);
    assert!(state == "22000" && text.contains("separated by the covariates"), "{state} {text}");
    // One treated finds one control.
    let first: i64 = one(&mut ann, "SELECT min(id) FROM rows WHERE treated");
    assert_eq!(count(&mut ann, &format!("SELECT id, id = {first} AS treated, x, y FROM rows"), "{}"), 1);
    // Nobody inside the caliper: no pair, and the reason.
    let apart = "SELECT id, treated, x, x + treated::integer * 10 AS score FROM rows";
    let options = r#"{"distance": "score", "caliper": 0.0001}"#;
    assert_eq!(count(&mut ann, apart, options), 0);
    let answer = summary(&mut ann, apart, options);
    assert_eq!(answer["treatment_n"], 0);
    assert_eq!(answer["not_matched"]["outside_caliper"], answer["treated_in_model"]);
}

#[test]
fn options_are_matchits_and_an_unknown_one_is_answered_with_those_known() {
    let (_lab, mut ann) = lab("options");
    for options in [
        r#"{"method": "nearest", "distance": "glm", "link": "logit", "ratio": 2, "replace": false, "m_order": "largest", "estimand": "ATT"}"#,
        r#"{"link": "linear.logit", "caliper": 0.2, "std_caliper": true, "exact": ["region"], "discard": "both", "reestimate": true}"#,
        r#"{"caliper": {"distance": 0.5, "x": 0.3}, "std_caliper": {"distance": true, "x": false}, "reuse_max": 3}"#,
        r#"{"mahvars": ["x", "y"], "caliper": 0.25, "m_order": "closest"}"#,
        r#"{"ratio": 2, "min_controls": 1, "max_controls": 4, "m_order": "random", "seed": 7}"#,
        r#"{"estimand": "ATC", "replace": true}"#,
        r#"{"distance": "robust_mahalanobis", "m_order": "data"}"#,
        r#"{"method": "exact", "covariates": ["flag", "region"]}"#,
        r#"{"method": "overlap"}"#,
        r#"{"method": "ipw", "estimand": "ATE"}"#,
        r#"{"method": "radius", "caliper": 0.2, "kernel": "epanechnikov", "normalize": true}"#,
    ] {
        let pairs: i64 =
            one(&mut ann, &format!("SELECT count(*) FROM jdl_match_controls('SELECT * FROM rows', '{options}')"));
        assert!(pairs > 0, "{options}");
    }
    for function in ["match_controls", "propensity", "balance", "match_summary"] {
        let (state, text) =
            refusal(&mut ann, &format!("SELECT * FROM jdl_{function}('SELECT * FROM rows', '{{\"calliper\": 1}}')"));
        assert_eq!(state, "22023");
        for known in [
            "method",
            "distance",
            "link",
            "ratio",
            "replace",
            "reuse_max",
            "caliper",
            "std_caliper",
            "exact",
            "mahvars",
            "m_order",
            "discard",
            "reestimate",
            "estimand",
            "min_controls",
            "max_controls",
            "seed",
        ] {
            assert!(text.contains(&format!("`{known}`")), "{function}: {known} in {text}");
        }
    }
    let (state, text) =
        refused(&mut ann, "SELECT * FROM rows", r#"{"method": "radius", "caliper": 0.05, "std_caliper": false}"#);
    assert!(state == "22023" && text.contains("where treatment is rare"), "{text}");
}

#[test]
fn balance_comes_by_level_with_squares_and_products_and_the_summary_with_overlap_and_a_grid() {
    let (_lab, mut ann) = lab("balance");
    let names = |client: &mut Client, options: &str| -> Vec<String> {
        let sql = format!("SELECT covariate FROM jdl_balance('SELECT * FROM rows', '{options}')");
        client.query(&sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
    };
    let plain = ["distance", "count", "x", "y", "flag", "regioneast", "regionnorth", "regionsouth"];
    assert_eq!(names(&mut ann, "{}"), plain);
    let wide = names(&mut ann, r#"{"squares": true, "interactions": true}"#);
    for name in ["x²", "count * x", "flag * regionsouth", "y * flag"] {
        assert!(wide.iter().any(|found| found == name), "{name} in {wide:?}");
    }
    assert!(!wide.iter().any(|name| name == "regioneast * regionnorth"), "levels of one factor exclude one another");

    let summary: Value = one(
        &mut ann,
        r#"SELECT jdl_match_summary('SELECT * FROM rows', '{"method": "radius", "link": "linear.logit", "caliper": 0.2, "caliper_grid": [0.01, 0.1, 1]}')"#,
    );
    let grid = summary["caliper_grid"].as_array().unwrap();
    assert_eq!(grid.iter().map(|point| point["caliper"].as_f64().unwrap()).collect::<Vec<_>>(), [0.01, 0.1, 1.0]);
    assert!(grid.iter().all(|point| point["worst_smd"].as_f64().unwrap() >= 0.0 && point["worst_name"].is_string()));
    let cells = |group: &str| -> i64 {
        summary["overlap"][group].as_array().unwrap().iter().map(|cell| cell.as_i64().unwrap()).sum()
    };
    let treated: i64 = one(&mut ann, "SELECT count(*) FROM rows WHERE treated");
    assert_eq!((cells("treated"), cells("control")), (treated, 2_000 - treated));
    let coefficients = summary["model"]["coefficients"].as_array().unwrap();
    assert_eq!(coefficients.len(), 7);
    assert!(coefficients.iter().all(|c| c["estimate"].is_number() && c["standard_error"].as_f64().unwrap() > 0.0));
    // What it says is what the rows say.
    let (rows, worst): (i64, f64) = {
        let row = ann
            .query_one(
                r#"SELECT (SELECT count(*) FROM jdl_match_controls(q, o)), (SELECT max(abs(matched_smd)) FROM jdl_balance(q, o) WHERE covariate <> 'distance')
                   FROM (SELECT 'SELECT * FROM rows', '{"method": "radius", "link": "linear.logit", "caliper": 0.2}'::jsonb) AS v (q, o)"#,
                &[],
            )
            .unwrap();
        (row.get(0), row.get(1))
    };
    assert_eq!(summary["comparison_n"], rows);
    assert!((summary["worst_smd"].as_f64().unwrap() - worst).abs() < 1e-15);
}

#[test]
fn the_pool_holds_nobody_who_was_sent_in_under_any_name_and_only_complete_follow_up() {
    let lab = Lab::new("pool");
    let request = lab.made_up(4_000, 150);
    let mut ann = lab.connect("ann");
    ann.batch_execute(&format!("SELECT * FROM jdl_link({request})")).unwrap();
    let mut admin = lab.admin();
    // Two people of the pool go by the name of a linked person; a third is one of whose names a linked person goes by.
    let others: Vec<i64> = admin
        .query(
            "SELECT DISTINCT e.person_id FROM jdl_restricted.index_event e WHERE e.index_year BETWEEN 2005 AND 2008 AND e.disposal = 'community'
             AND NOT EXISTS (SELECT FROM jdl_restricted.link l WHERE l.person_id = e.person_id) ORDER BY 1 LIMIT 3",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    let linked: i64 = one(
        &mut admin,
        &format!("SELECT min(person_id) FROM jdl_restricted.link WHERE request_id = {request} AND status = 'linked'"),
    );
    admin
        .batch_execute(&format!(
            "INSERT INTO jdl_restricted.alias SELECT {0}, lower(forename), ' ' || surname, date_of_birth FROM jdl_restricted.person WHERE person_id = {linked};
             INSERT INTO jdl_restricted.alias SELECT {1}, forename, surname, date_of_birth FROM jdl_restricted.person WHERE person_id = {linked};
             INSERT INTO jdl_restricted.alias SELECT {linked}, forename, surname, date_of_birth FROM jdl_restricted.person WHERE person_id = {2};
             SELECT jdl_register_refresh((SELECT max(extracted_on) FROM jdl.register_version))",
            others[0], others[1], others[2]
        ))
        .unwrap();
    ann.batch_execute(&format!("SELECT * FROM jdl_match({request})")).unwrap();
    let pool = |client: &mut Client, condition: &str| -> i64 {
        one(
            client,
            &format!(
                "SELECT count(*) FROM _jdl_candidates({request}) c JOIN jdl_restricted.index_event e USING (sentence_id) WHERE NOT c.treated AND {condition}"
            ),
        )
    };
    assert_eq!(
        pool(&mut admin, &format!("c.loss IS NULL AND e.person_id IN ({}, {}, {})", others[0], others[1], others[2])),
        0
    );
    for other in &others {
        assert!(
            pool(&mut admin, &format!("c.loss = 'goes by a name of somebody sent in' AND e.person_id = {other}")) > 0
        );
    }
    assert_eq!(
        pool(
            &mut admin,
            &format!(
                "c.loss IS NULL AND e.person_id IN (SELECT person_id FROM jdl_restricted.link WHERE request_id = {request})"
            )
        ),
        0
    );
    assert_eq!(pool(&mut admin, &format!("c.loss IS NULL AND e.index_date > _jdl_last_index_date({request})")), 0);
    assert_eq!(pool(&mut admin, "c.loss IS NULL AND e.age < 10"), 0);
    let strays: i64 = one(
        &mut admin,
        &format!(
            "SELECT count(*) FROM _jdl_candidates({request}) c WHERE NOT c.treated AND
             (c.disposal NOT IN (SELECT disposal FROM _jdl_candidates({request}) WHERE treated) OR c.index_year < (SELECT min(index_year) FROM _jdl_candidates({request}) WHERE treated)
              OR c.index_year > (SELECT max(index_year) FROM _jdl_candidates({request}) WHERE treated))"
        ),
    );
    assert_eq!(strays, 0, "same years, same disposals");
    // Whatever the planner knows of a request's tables, people are looked up in hash tables and not one by one.
    let plan: Vec<String> = admin
        .query(&format!("EXPLAIN SELECT * FROM _jdl_candidates({request}) WHERE loss IS NULL"), &[])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert!(plan.iter().any(|line| line.contains("(hashed SubPlan")), "{plan:#?}");
    let one_by_one =
        |line: &&String| line.contains("(SubPlan") || (line.contains("Join Filter") && line.contains("_id"));
    assert_eq!(plan.iter().find(one_by_one), None, "{plan:#?}");
    // The losses are counted in the design's record, and add up.
    let summary: Value = one(&mut ann, &format!("SELECT summary FROM jdl.match_design WHERE request_id = {request}"));
    let losses = summary["pool_losses"].as_object().unwrap();
    let lost: i64 = losses.values().map(|n| n.as_i64().unwrap()).sum();
    assert!(
        losses["sent in by the provider"].as_i64().unwrap() > 0
            && losses["goes by a name of somebody sent in"].as_i64().unwrap() >= 3
    );
    assert_eq!(lost, pool(&mut admin, "c.loss IS NOT NULL"));
    assert_eq!(summary["pool_size"].as_i64().unwrap(), pool(&mut admin, "c.loss IS NULL"));
}

#[test]
fn each_design_that_was_tried_is_kept_and_none_is_tried_after_outcomes_are_read() {
    let lab = Lab::new("designs");
    let request = lab.made_up(4_000, 150);
    let mut ann = lab.connect("ann");
    let designs = [
        r#"{"ratio": 1}"#,
        r#"{"method": "radius", "link": "linear.logit", "caliper": 0.2, "caliper_grid": [0.05, 0.2, 0.5], "squares": true}"#,
        r#"{"link": "linear.logit", "ratio": 3, "caliper": 0.2}"#,
    ];
    for design in designs {
        let row = ann.query_one(&format!("SELECT * FROM jdl_match({request}, '{design}')"), &[]).unwrap();
        let light: String = row.get("balance");
        assert!(["green", "amber", "red"].contains(&light.as_str()) && row.get::<_, f64>("effective_n") > 0.0);
    }
    let refused = refusal(&mut ann, &format!(r#"SELECT * FROM jdl_match({request}, '{{"method": "guess"}}')"#));
    assert_eq!(refused.0, "22023");
    let kept = ann
        .query(
            "SELECT design_no, options, summary, jsonb_array_length(balance), tried_by::text FROM jdl.match_design WHERE request_id = $1 ORDER BY 1",
            &[&request],
        )
        .unwrap();
    assert_eq!(kept.len(), 3, "a refused design is none");
    for (at, (row, design)) in kept.iter().zip(designs).enumerate() {
        assert_eq!((row.get::<_, i32>(0), row.get::<_, String>(4)), (at as i32 + 1, "ann".to_owned()));
        assert_eq!(row.get::<_, Value>(1), design.parse::<Value>().unwrap());
        let summary: Value = row.get(2);
        assert!(summary["overlap"]["from"].is_array() && summary["model"]["coefficients"].is_array());
        assert_eq!(summary["caliper_grid"].as_array().unwrap().len(), if at == 1 { 3 } else { 0 });
        assert!(row.get::<_, i32>(3) > 40, "a row for each covariate and level");
    }
    assert!(kept[1].get::<_, i32>(3) > kept[0].get::<_, i32>(3), "and for squares where they were asked for");
    ann.batch_execute(&format!("SELECT jdl_analyse({request})")).unwrap();
    assert_eq!(refusal(&mut ann, &format!("SELECT * FROM jdl_match({request}, '{{\"ratio\": 2}}')")).0, "55000");
    assert_eq!(one::<i64>(&mut ann, &format!("SELECT count(*) FROM jdl.match_design WHERE request_id = {request}")), 3);
}
