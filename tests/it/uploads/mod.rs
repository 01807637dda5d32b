//! Files that do not come in one piece through one server. What holds on every store is in `resumable.rs`.

mod direct;
mod flat;
mod full;
mod nodes;
mod rules;
mod sizes;
