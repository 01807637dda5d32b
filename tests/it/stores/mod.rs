//! What holds wherever files are kept, tried on each kind of store.

mod directory;
mod s3;
