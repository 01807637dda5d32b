//! Who may talk to whom, where and how, as a deployment's rules say.

mod coaching;
mod files;
mod rush;
mod words;
