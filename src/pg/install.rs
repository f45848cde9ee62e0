//! `CREATE EXTENSION` (the chain of `sql/extension`) and `jdl_install()` (the files of `sql/schema`).

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::error::{missing, spi};

// Each file requires the one above it: pgrx keeps no order of its own. Rust functions stand between the first and the second.
extension_sql_file!("../../sql/extension/000_roles.sql", name = "000_roles", bootstrap);
extension_sql_file!(
    "../../sql/extension/100_access.sql",
    name = "100_access",
    requires = ["000_roles", jdl::pg::governance::audit_bytes]
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
extension_sql_file!("../../sql/extension/900_governance.sql", name = "900_governance", requires = ["800_report"]);
extension_sql_file!("../../sql/extension/910_assurance.sql", name = "910_assurance", requires = ["900_governance"]);
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
        include_str!("../../sql/schema/700_governance.sql"),
        include_str!("../../sql/schema/900_guard.sql")
    ),
];

/// Changes of the tables since the first release: from version, to version, SQL. The update script of the functions is `sql/jdl--A--B.sql`.
const MIGRATIONS: [(&str, &str, &str); 0] = [];

/// Makes the schemas, tables, policies, triggers and views. Asked again, it says that they stand.
#[pg_extern(name = "jdl_install")]
fn install() -> Result<String, ErrorReport> {
    let version = env!("CARGO_PKG_VERSION");
    let standing =
        Spi::get_one::<bool>("SELECT pg_catalog.to_regclass('jdl.schema_version') IS NOT NULL").map_err(spi)?;
    if standing == Some(true) {
        let installed =
            Spi::get_one::<String>("SELECT version FROM jdl.schema_version ORDER BY installed_at DESC LIMIT 1")
                .map_err(spi)?
                .ok_or_else(|| missing("the version of the tables"))?;
        return Ok(format!("the tables of jdl {installed} stand"));
    }
    let schema = super::read::extension_schema()?;
    for file in SCHEMA {
        Spi::run(&file.replace("@extschema@", &schema)).map_err(spi)?;
    }
    Spi::run_with_args("INSERT INTO jdl.schema_version (version) VALUES ($1)", &[version.into()]).map_err(spi)?;
    Ok(format!("installed the tables of jdl {version}"))
}

fn installed_version() -> Result<String, ErrorReport> {
    Spi::get_one::<String>("SELECT version FROM jdl.schema_version ORDER BY installed_at DESC, version DESC LIMIT 1")
        .map_err(spi)?
        .ok_or_else(|| missing("the version of the tables"))
}

/// Brings the tables to the version of the functions, step by step; run it after `ALTER EXTENSION jdl UPDATE`.
#[pg_extern(name = "jdl_migrate")]
fn migrate() -> Result<String, ErrorReport> {
    let standing =
        Spi::get_one::<bool>("SELECT pg_catalog.to_regclass('jdl.schema_version') IS NOT NULL").map_err(spi)?;
    if standing != Some(true) {
        return Err(ErrorReport::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "the tables of jdl are not installed",
            "jdl_migrate",
        )
        .set_hint("SELECT jdl_install();"));
    }
    let schema = super::read::extension_schema()?;
    let mut version = installed_version()?;
    for (from, to, sql) in MIGRATIONS {
        if version == from {
            Spi::run(&sql.replace("@extschema@", &schema)).map_err(spi)?;
            Spi::run_with_args("INSERT INTO jdl.schema_version (version) VALUES ($1)", &[to.into()]).map_err(spi)?;
            version = to.to_owned();
        }
    }
    Ok(format!("the tables are those of jdl {version}"))
}
