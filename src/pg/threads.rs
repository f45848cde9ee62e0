//! What happens when the library is loaded: the extension's settings, and worker threads of the core inside a backend.

use pgrx::prelude::*;

/// Makes the settings known, and rayon's threads, with every signal blocked in them: Postgres' handlers belong to the
/// backend's own thread, and a cancel request must reach it there.
#[pg_guard]
pub extern "C-unwind" fn _PG_init() {
    super::key::register();
    // SAFETY: a read of a plain flag. The postmaster must not have threads when it forks.
    if !unsafe { pg_sys::IsUnderPostmaster } {
        return;
    }
    // SAFETY: the sets are initialised by the calls, and the mask of this thread is restored at once.
    unsafe {
        let mut all = std::mem::zeroed();
        let mut before = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        // Fails only if the pool stands already.
        let _ = rayon::ThreadPoolBuilder::new().build_global();
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
    }
}
