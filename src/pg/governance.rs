//! The bytes that the trail's digests cover, and the process that writes refused attempts where no rollback reaches them.

use pgrx::bgworkers::{BackgroundWorker, BackgroundWorkerBuilder, SignalWakeFlags};
use pgrx::prelude::*;

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
