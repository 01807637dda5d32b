//! Files on their way in: in parts, which can be resumed, or straight into the store.

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::{
    clock::Time,
    error::{Error, Result},
    ids::{AttachmentId, BlobId, ConversationId, UserId},
};

/// A file that somebody announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Who.
    pub uploader_id: UserId,
    /// Also that of the attachment that becomes of it.
    pub id: AttachmentId,
    /// Where to.
    pub conversation_id: ConversationId,
    /// What it is called, cleaned.
    pub filename: String,
    /// Bytes.
    pub size: i64,
    /// How many of them are in; all only once the attachment is there.
    pub received: i64,
    /// What its client wrote of it.
    pub metadata: String,
    /// How loud it is from its beginning to its end, as its client says.
    pub waveform: Vec<u8>,
    /// Where it goes by itself; none where it comes in parts.
    pub place: Option<BlobId>,
    /// Of its bytes, where its client said so.
    pub sha256: Option<Vec<u8>>,
    /// Until when it may come.
    pub expires_at: Time,
}

impl Upload {
    /// Whether the attachment is there.
    pub fn is_complete(&self) -> bool {
        self.received == self.size
    }

    /// Whether the other is announced in the same words, as a retry is.
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        let words = |upload: &Self| (upload.conversation_id, upload.size, upload.place.is_some());
        words(self) == words(other)
            && (&self.filename, &self.metadata, &self.waveform, &self.sha256)
                == (&other.filename, &other.metadata, &other.waveform, &other.sha256)
    }
}

/// What a client says of the bytes that it sends, so that none are kept that changed on the way.
#[derive(Clone, Debug)]
pub struct Checksum {
    sum: Sum,
    expected: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Sum {
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Checksum {
    /// The algorithms that are known, by their names.
    pub const ALGORITHMS: [&str; 2] = ["sha1", "sha256"];

    /// By one of these algorithms.
    pub fn new(algorithm: &str, expected: Vec<u8>) -> Option<Self> {
        let sum = match algorithm {
            "sha1" => Sum::Sha1(Sha1::new()),
            "sha256" => Sum::Sha256(Sha256::new()),
            _ => return None,
        };
        Some(Self { sum, expected })
    }

    /// Adds bytes that came.
    pub fn add(&mut self, bytes: &[u8]) {
        match &mut self.sum {
            Sum::Sha1(sum) => sum.update(bytes),
            Sum::Sha256(sum) => sum.update(bytes),
        }
    }

    /// Refuses what came if it is not what was sent.
    pub fn check(self) -> Result<()> {
        let sum = match self.sum {
            Sum::Sha1(sum) => sum.finalize().to_vec(),
            Sum::Sha256(sum) => sum.finalize().to_vec(),
        };
        if sum == self.expected { Ok(()) } else { Err(Error::ChecksumMismatch) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_all_bytes_that_came() {
        for algorithm in Checksum::ALGORITHMS {
            let expected = match algorithm {
                "sha1" => Sha1::digest(b"hello world").to_vec(),
                _ => Sha256::digest(b"hello world").to_vec(),
            };
            let mut right = Checksum::new(algorithm, expected).unwrap();
            let mut wrong = right.clone();
            right.add(b"hello ");
            right.add(b"world");
            assert!(right.check().is_ok());
            wrong.add(b"hello word");
            assert!(matches!(wrong.check(), Err(Error::ChecksumMismatch)));
        }
        assert!(Checksum::new("md5", Vec::new()).is_none());
    }
}
