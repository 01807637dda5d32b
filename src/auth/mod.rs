//! Proofs of who somebody is: passwords, tokens and keys. Invariant: no SQL, no HTTP but for the host application's keys.

pub mod jwks;
pub mod links;
pub mod password;
pub mod proofs;
pub mod refresh;
pub mod token;
