//! `CREATE EXTENSION` (the chain of `sql/extension`) and `jdl_install()` (the files of `sql/schema`).

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::error::spi;

// Each file requires the one above it: pgrx keeps no order of its own. Rust functions stand between the first and the second.
extension_sql_file!("../../sql/extension/000_roles.sql", name = "000_roles", bootstrap);
extension_sql_file!(
    "../../sql/extension/100_access.sql",
    name = "100_access",
    requires = [
        "000_roles",
        jdl::pg::governance::audit_bytes,
        jdl::pg::governance::note_refusal,
        jdl::pg::governance::grants_now
    ]
);
extension_sql_file!("../../sql/extension/110_setting.sql", name = "110_setting", requires = ["100_access"]);
extension_sql_file!("../../sql/extension/120_audit.sql", name = "120_audit", requires = ["110_setting"]);
extension_sql_file!("../../sql/extension/200_calendar.sql", name = "200_calendar", requires = ["120_audit"]);
extension_sql_file!("../../sql/extension/300_register.sql", name = "300_register", requires = ["200_calendar"]);
extension_sql_file!("../../sql/extension/305_synthetic.sql", name = "305_synthetic", requires = ["300_register"]);
extension_sql_file!("../../sql/extension/310_intake.sql", name = "310_intake", requires = ["305_synthetic"]);
extension_sql_file!("../../sql/extension/320_step.sql", name = "320_step", requires = ["310_intake"]);
extension_sql_file!("../../sql/extension/400_linkage.sql", name = "400_linkage", requires = ["320_step"]);
extension_sql_file!("../../sql/extension/500_matching.sql", name = "500_matching", requires = ["400_linkage"]);
extension_sql_file!("../../sql/extension/600_inference.sql", name = "600_inference", requires = ["500_matching"]);
extension_sql_file!("../../sql/extension/800_report.sql", name = "800_report", requires = ["600_inference"]);
extension_sql_file!("../../sql/extension/850_release.sql", name = "850_release", requires = ["800_report"]);
extension_sql_file!("../../sql/extension/900_governance.sql", name = "900_governance", requires = ["850_release"]);
extension_sql_file!("../../sql/extension/905_retention.sql", name = "905_retention", requires = ["900_governance"]);
extension_sql_file!("../../sql/extension/910_assurance.sql", name = "910_assurance", requires = ["905_retention"]);
extension_sql_file!("../../sql/extension/990_grant.sql", name = "990_grant", finalize);

/// The tables, in load order. `@extschema@` stands for the schema of the extension.
const SCHEMA: [&str; 10] = [
    include_str!("../../sql/schema/010_schema.sql"),
    include_str!("../../sql/schema/020_audit.sql"),
    include_str!("../../sql/schema/030_setting.sql"),
    include_str!("../../sql/schema/035_bank_holiday.sql"),
    include_str!("../../sql/schema/100_register.sql"),
    include_str!("../../sql/schema/200_request.sql"),
    include_str!("../../sql/schema/210_submission.sql"),
    include_str!("../../sql/schema/300_linkage.sql"),
    include_str!("../../sql/schema/400_matching.sql"),
    concat!(
        include_str!("../../sql/schema/600_report.sql"),
        include_str!("../../sql/schema/650_release.sql"),
        include_str!("../../sql/schema/700_governance.sql"),
        include_str!("../../sql/schema/900_guard.sql")
    ),
];

/// Changes of the tables since the first version: from version, to version, SQL. What `sql/schema` does when it is run again needs no
/// place here. The step of the functions is made by `scripts/upgrade-step` from `sql/released` and the install script.
const MIGRATIONS: [(&str, &str, &str); 1] = [("0.1.0", "0.2.0", include_str!("../../sql/migration/0.1.0--0.2.0.sql"))];

/// Makes the schemas, tables, policies, triggers and views. Asked again, it mends what is missing and leaves the data alone.
#[pg_extern(name = "jdl_install")]
#[search_path(pg_catalog, pg_temp)]
fn install() -> Result<String, ErrorReport> {
    let Some(installed) = installed_version()? else {
        build()?;
        record(VERSION)?;
        return Ok(format!("installed the tables of jdl {VERSION}"));
    };
    if installed != VERSION {
        return Err(ErrorReport::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("the tables are those of jdl {installed}"),
            "jdl_install",
        )
        .set_hint("SELECT jdl_migrate();"));
    }
    build()?;
    record(VERSION)?;
    Ok(format!("the tables of jdl {installed} stand"))
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Runs the files of `sql/schema`, each of which may be run again.
fn build() -> Result<(), ErrorReport> {
    let schema = super::read::extension_schema()?;
    // "already exists, skipping" is no news. Seals must not be pending where the trail's own tables are altered.
    Spi::run("SET LOCAL client_min_messages = warning; SET CONSTRAINTS ALL IMMEDIATE").map_err(spi)?;
    for file in SCHEMA {
        Spi::run(&file.replace("@extschema@", &schema)).map_err(spi)?;
    }
    Ok(())
}

/// Notes the version of the tables and what the functions were when it was reached.
fn record(version: &str) -> Result<(), ErrorReport> {
    let schema = super::read::extension_schema()?;
    Spi::run_with_args(
        &format!(
            "INSERT INTO jdl.schema_version (version, code_digest) VALUES ($1, {schema}._jdl_code_digest())
             ON CONFLICT (version) DO UPDATE SET code_digest = excluded.code_digest"
        ),
        &[version.into()],
    )
    .map_err(spi)
}

/// The version of the tables; none where there are none.
fn installed_version() -> Result<Option<String>, ErrorReport> {
    let standing =
        Spi::get_one::<bool>("SELECT pg_catalog.to_regclass('jdl.schema_version') IS NOT NULL").map_err(spi)?;
    if standing != Some(true) {
        return Ok(None);
    }
    Spi::get_one::<String>("SELECT version FROM jdl.schema_version ORDER BY installed_at DESC LIMIT 1").map_err(spi)
}

/// Brings the tables to the version of the functions, step by step; run it after `ALTER EXTENSION jdl UPDATE`.
#[pg_extern(name = "jdl_migrate")]
#[search_path(pg_catalog, pg_temp)]
fn migrate() -> Result<String, ErrorReport> {
    let Some(mut version) = installed_version()? else {
        return Err(ErrorReport::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "the tables of jdl are not installed",
            "jdl_migrate",
        )
        .set_hint("SELECT jdl_install();"));
    };
    let schema = super::read::extension_schema()?;
    for (from, to, sql) in MIGRATIONS {
        if version == from {
            Spi::run(&sql.replace("@extschema@", &schema)).map_err(spi)?;
            to.clone_into(&mut version);
        }
    }
    if version != VERSION {
        return Err(ErrorReport::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("the tables are those of jdl {version}, and there is no way from there to {VERSION}"),
            "jdl_migrate",
        )
        .set_hint("ALTER EXTENSION jdl UPDATE; or install the files of a version that knows them."));
    }
    // What is new since then, and what a changed function took along.
    build()?;
    record(&version)?;
    Ok(format!("the tables are those of jdl {version}"))
}
