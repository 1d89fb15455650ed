//! Buffers of scaled pictures, used again and again: a frame costs no allocation.

use std::ops::Deref;
use std::ops::DerefMut;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

/// Buffers that a pool keeps: one being filled, one in the mailbox, one being analysed, one spare.
const SPARE_MAX: usize = 4;

/// Bytes of a picture. They go back to their pool, where they have one, when they are dropped.
#[derive(Debug, Default)]
pub struct Pixels {
    bytes: Vec<u8>,
    pool: Option<Arc<Mutex<Vec<Vec<u8>>>>>,
}

impl From<Vec<u8>> for Pixels {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, pool: None }
    }
}

impl Deref for Pixels {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for Pixels {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for Pixels {
    fn drop(&mut self) {
        if let Some(pool) = &self.pool {
            let mut spare = pool.lock().unwrap_or_else(PoisonError::into_inner);
            if spare.len() < SPARE_MAX {
                spare.push(std::mem::take(&mut self.bytes));
            }
        }
    }
}

/// The pool that the buffers of one camera come from and go back to.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    spare: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Pool {
    /// A buffer of `size` bytes, every one of them `value`.
    pub fn take(&self, size: usize, value: u8) -> Pixels {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut bytes = spare.unwrap_or_default();
        bytes.clear();
        bytes.resize(size, value);
        Pixels { bytes, pool: Some(Arc::clone(&self.spare)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_buffer_is_reused_and_cleared() {
        let pool = Pool::default();
        let mut first = pool.take(8, 114);
        first[3] = 7;
        let place = first.as_ptr();
        drop(first);
        let second = pool.take(8, 114);
        assert_eq!(second.as_ptr(), place);
        assert!(second.iter().all(|byte| *byte == 114));
    }
}
