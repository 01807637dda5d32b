//! Pictures: every way in which they are coded, and that none does harm. What is kept of them is tried on every store.

pub mod avif;
mod bombs;
