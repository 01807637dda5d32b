//! What the server tells its operators. Invariant: never a token, a body, an address or a mail.

pub mod logs;
pub mod metrics;
