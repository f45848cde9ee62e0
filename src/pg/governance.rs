//! Access as it is now, the bytes that the trail's digests cover, and the process that writes refused attempts where no rollback
//! reaches them.

use std::ffi::CStr;
use std::ptr;

use pgrx::bgworkers::{BackgroundWorker, BackgroundWorkerBuilder, SignalWakeFlags};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::error::{missing, spi};

/// The grants of access of a person to a role, and whether each holds on the day: as they are committed at this moment, whatever the
/// transaction's snapshot is. A snapshot that was taken before a revocation, and perhaps exported by somebody else's session, would
/// go on showing the grant.
#[pg_extern(stable, strict, name = "_jdl_grants_now")]
fn grants_now(
    person: &str,
    role: &str,
    today: Date,
) -> Result<TableIterator<'static, (name!(request_id, Option<i64>), name!(live, bool))>, ErrorReport> {
    const QUERY: &CStr = c"SELECT a.request_id, a.revoked_at IS NULL AND $3 BETWEEN a.starts_on AND a.ends_on
        FROM jdl.access a WHERE a.person = $1::pg_catalog.name AND a.role = $2::pg_catalog.name";
    let mut types = [pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::DATEOID];
    let mut values = [
        person.into_datum().unwrap_or(pg_sys::Datum::null()),
        role.into_datum().unwrap_or(pg_sys::Datum::null()),
        today.into_datum().unwrap_or(pg_sys::Datum::null()),
    ];
    let mut grants = Vec::new();
    Spi::connect(|_| {
        // SAFETY: SPI is connected; types and values are as many as the query has parameters; rows are read before the plan is freed.
        unsafe {
            let plan = pg_sys::SPI_prepare(QUERY.as_ptr(), 3, types.as_mut_ptr());
            if plan.is_null() {
                return Err(missing("the plan of a query"));
            }
            let latest = pg_sys::GetLatestSnapshot();
            let done = pg_sys::SPI_execute_snapshot(
                plan,
                values.as_mut_ptr(),
                ptr::null(),
                latest,
                ptr::null_mut(),
                true,
                false,
                0,
            );
            Spi::check_status(done).map_err(spi)?;
            let table = pg_sys::SPI_tuptable;
            for row in 0..(*table).numvals {
                let tuple = *(*table).vals.add(row as usize);
                let mut absent = false;
                let request = pg_sys::SPI_getbinval(tuple, (*table).tupdesc, 1, &raw mut absent);
                let request_id = i64::from_datum(request, absent);
                let live = pg_sys::SPI_getbinval(tuple, (*table).tupdesc, 2, &raw mut absent);
                grants.push((request_id, bool::from_datum(live, absent).unwrap_or(false)));
            }
            pg_sys::SPI_freeplan(plan);
            Ok(())
        }
    })?;
    Ok(TableIterator::new(grants))
}

/// The canonical bytes of an event: each field with its length before it, so that no two events share their bytes
/// (`ab`,`c` against `a`,`bc`; null against empty). Text in, so that time zone and date style of a session change nothing.
#[pg_extern(immutable, parallel_safe, name = "_jdl_audit_bytes")]
fn audit_bytes(fields: Vec<Option<String>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for field in fields {
        match field {
            None => bytes.extend_from_slice(&u32::MAX.to_be_bytes()),
            Some(text) => {
                // A field is at most 1 GB in Postgres, so its length fits.
                bytes.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX - 1).to_be_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
        }
    }
    bytes
}

/// What a background worker can be told beside its argument (`BGW_EXTRALEN` less its final zero).
const EXTRA_BYTES: usize = 127;

/// A refused attempt on its way to the trail: small enough for a background worker's extra bytes.
struct Refusal {
    login: pg_sys::Oid,
    actor: pg_sys::Oid,
    request_id: Option<i64>,
    message: String,
}

impl Refusal {
    fn pack(&self) -> String {
        let request = self.request_id.map_or(String::new(), |id| id.to_string());
        let mut packed =
            format!("{} {} {request} {}", self.login.to_u32(), self.actor.to_u32(), self.message.replace('\0', ""));
        while packed.len() > EXTRA_BYTES {
            packed.pop();
        }
        packed
    }

    fn unpack(packed: &str) -> Option<Self> {
        let mut parts = packed.splitn(4, ' ');
        Some(Self {
            login: parts.next()?.parse::<u32>().ok()?.into(),
            actor: parts.next()?.parse::<u32>().ok()?.into(),
            request_id: parts.next()?.parse().ok(),
            message: parts.next()?.to_owned(),
        })
    }
}

/// Writes a refused attempt to the trail in a process and transaction of its own, and waits until it is there: the error that
/// follows takes back everything else. Where no process is to be had (`max_worker_processes`) the server's log has to do.
#[pg_extern(volatile, parallel_unsafe, name = "_jdl_note_refusal")]
fn note_refusal(login: pg_sys::Oid, actor: pg_sys::Oid, request_id: Option<i64>, message: &str) {
    let refusal = Refusal { login, actor, request_id, message: message.to_owned() };
    // SAFETY: reads of plain globals that every backend has set.
    let (database, own_pid) = unsafe { (pg_sys::MyDatabaseId, pg_sys::MyProcPid) };
    let worker = BackgroundWorkerBuilder::new("jdl: refused attempt")
        .set_library("jdl")
        .set_function("jdl_write_refusal")
        .set_argument(database.into_datum())
        .set_extra(&refusal.pack())
        .set_notify_pid(own_pid)
        .enable_spi_access()
        .load_dynamic();
    let written = worker.is_ok_and(|worker| worker.wait_for_shutdown().is_ok());
    if !written {
        ereport!(
            PgLogLevel::LOG,
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            format!(
                "jdl: a refused attempt could not be written to the trail: {} by role {}",
                refusal.message,
                refusal.login.to_u32()
            )
        );
    }
}

/// The process that writes a refused attempt: first the event, which waits for nobody; then its seal, which may have to wait for
/// the very transaction that is being refused, and is left to the next sealer if so.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn jdl_write_refusal(database: pg_sys::Datum) {
    BackgroundWorker::attach_signal_handlers(SignalWakeFlags::SIGHUP | SignalWakeFlags::SIGTERM);
    // SAFETY: the argument is the Oid that `note_refusal` passed by value.
    let database = unsafe { pg_sys::Oid::from_datum(database, false) };
    BackgroundWorker::connect_worker_to_spi_by_oid(database, None);
    let Some(refusal) = Refusal::unpack(BackgroundWorker::get_extra()) else { return };
    let event = BackgroundWorker::transaction(|| {
        Spi::run("SET LOCAL ROLE jdl_engine").ok()?;
        let schema = super::read::extension_schema().ok()?;
        Spi::get_one_with_args::<i64>(
            &format!("SELECT {schema}._jdl_audit_refused($1, $2, $3, $4)"),
            &[refusal.login.into(), refusal.actor.into(), refusal.request_id.into(), refusal.message.as_str().into()],
        )
        .ok()?
    });
    BackgroundWorker::transaction(|| {
        Spi::run("SET LOCAL lock_timeout = '1s'; SET LOCAL ROLE jdl_engine").ok()?;
        let schema = super::read::extension_schema().ok()?;
        Spi::run_with_args(&format!("SELECT {schema}._jdl_audit_append($1)"), &[event.into()]).ok()
    });
}
