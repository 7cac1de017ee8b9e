//! What the mailbox is synchronised with. The model checker in `tests/mailbox_model.rs` compiles the
//! mailbox a second time, with its own versions of exactly these names.

pub(crate) use std::sync::Mutex;
pub(crate) use std::sync::atomic::{AtomicBool, Ordering};
