//! Files: uploading them, showing them, and removing what nobody needs.

pub mod bounds;
pub mod collect;
pub mod erase;
pub mod fsck;
pub mod lend;
pub mod serve;
pub mod upload;
