//! A broker that is killed every now and then while others use it.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::matrix::Column;
use crate::failure::{Failure, Result};

/// Runs `work` while the broker of `column` is killed and started again every so often; also says how many times it was.
///
/// # Errors
/// The broker could not be started again.
pub(super) fn during<T>(
    column: &Column,
    every: Duration,
    work: impl FnOnce() -> T,
) -> Result<(T, u32)> {
    let (working, over) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let restarts = scope.spawn(move || -> Result<u32> {
            let mut count = 0;
            while over.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                column.restart()?;
                count += 1;
            }
            Ok(count)
        });
        let result = work();
        drop(working);
        let count = restarts.join().map_err(|_| Failure::new("the restarts panicked"))?;
        Ok((result, count?))
    })
}
