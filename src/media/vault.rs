//! The store of files: a directory of this machine, S3, Google Cloud Storage or Azure, under one roof.

use std::{
    fs::File,
    io::{self, Read},
    mem::take,
    ops::Range,
    path::{Path as FilePath, PathBuf},
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, bail};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, future, stream::BoxStream};
use object_store::{
    Attribute, Attributes, GetOptions, GetRange, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions,
    aws::AmazonS3Builder,
    azure::MicrosoftAzureBuilder,
    gcp::GoogleCloudStorageBuilder,
    local::LocalFileSystem,
    path::Path,
    signer::{Method, SignedUrlOptions, Signer},
};
use reqwest::Url;
use tokio::{fs, sync::Semaphore, task};

use super::{is_full, trouble};
use crate::domain::{
    attachment::Rendition,
    error::{Error, Result},
    ids::BlobId,
};

/// Bytes of a file that are put into a directory at once.
const CHUNK: usize = 64 * 1024;
/// Bytes sent at once to a store that is elsewhere: the least that S3 takes as one part of many.
const PIECE: usize = 5 * 1024 * 1024;
/// Bytes of files that are in memory at once on their way into a directory, and into a store elsewhere.
const ROOM: (usize, usize) = (4 * CHUNK, PIECE);
/// What Azure wants to be told with every file that is put there.
const AZURE_HEADERS: Headers = &[("x-ms-blob-type", "BlockBlob")];

/// Names and values of headers.
type Headers = &'static [(&'static str, &'static str)];

/// The store of files, by blob and rendition.
#[derive(Debug)]
pub struct Vault {
    store: Arc<dyn ObjectStore>,
    signer: Option<Arc<dyn Signer>>,
    /// What comes before every name in it.
    prefix: Path,
    /// Where it is on this machine, if it is.
    directory: Option<PathBuf>,
    /// What is to be said with what others put there.
    put_headers: Headers,
    room: Semaphore,
    /// Bytes that are put at once.
    piece: usize,
    /// Where such a piece was, to be used again: given back, it would be taken anew before the system has it.
    spare: Mutex<BytesMut>,
}

/// Something that is in the store.
#[derive(Clone, Debug)]
pub struct Found {
    /// The blob that its name tells, if it tells one.
    pub blob: Option<BlobId>,
    /// Its whole name.
    pub place: Path,
}

/// How a file is put into the store by whoever holds this.
#[derive(Clone, Debug)]
pub struct Put {
    /// Where to.
    pub url: String,
    /// What must be said with it.
    pub headers: Headers,
}

/// How a file is told to be shown.
#[derive(Clone, Debug)]
pub struct Manner {
    /// Its media type.
    pub content_type: String,
    /// The value of its `Content-Disposition` (RFC 6266).
    pub disposition: String,
}

/// A file on its way in, piece by piece.
struct Pieces {
    file: File,
    size: usize,
    memory: BytesMut,
}

/// Some bytes of a file on their way out.
pub struct Reading {
    /// The whole file's size.
    pub size: u64,
    /// Which bytes these are.
    pub range: Range<u64>,
    /// The bytes.
    pub bytes: BoxStream<'static, io::Result<Bytes>>,
}

impl Vault {
    /// Opens the store that a URL names: `file:///…`, `s3://bucket/…`, `gs://…` or `az://…`. Credentials come from the
    /// variables that these services' own tools read; the URL's query may say more, such as `?endpoint=…` for an S3 that
    /// is not Amazon's.
    pub fn open(url: &str) -> anyhow::Result<Self> {
        let mut parsed = Url::parse(url).with_context(|| format!("{url} is not a URL"))?;
        let options: Vec<_> = parsed.query_pairs().into_owned().collect();
        parsed.set_query(None);
        let url = parsed.as_str();
        let prefix = Path::from_url_path(parsed.path()).context("the storage URL has a path that can't be a name")?;
        match parsed.scheme() {
            "file" => {
                let directory = parsed.to_file_path().ok().context("the storage URL names no absolute path")?;
                Self::in_directory(&directory)
            }
            "s3" | "s3a" => {
                let builder = AmazonS3Builder::from_env().with_url(url);
                let store = configured(builder, options, AmazonS3Builder::with_config)?.build();
                Ok(Self::signing(Arc::new(store.context("cannot use the S3 storage")?), prefix, &[]))
            }
            "gs" => {
                let builder = GoogleCloudStorageBuilder::from_env().with_url(url);
                let store = configured(builder, options, GoogleCloudStorageBuilder::with_config)?.build();
                Ok(Self::signing(Arc::new(store.context("cannot use the Google Cloud storage")?), prefix, &[]))
            }
            "az" | "abfs" | "azure" => {
                let builder = MicrosoftAzureBuilder::from_env().with_url(url);
                let store = configured(builder, options, MicrosoftAzureBuilder::with_config)?.build();
                Ok(Self::signing(Arc::new(store.context("cannot use the Azure storage")?), prefix, AZURE_HEADERS))
            }
            scheme => bail!("storage on {scheme}:// is not supported; use file, s3, gs or az"),
        }
    }

    /// Keeps files in a directory of this machine.
    pub fn in_directory(directory: &FilePath) -> anyhow::Result<Self> {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot make the directory {} for files", directory.display()))?;
        let store = LocalFileSystem::new_with_prefix(directory)
            .with_context(|| format!("cannot keep files in {}", directory.display()))?
            .with_automatic_cleanup(true)
            .with_fsync(true);
        Ok(Self {
            store: Arc::new(store),
            signer: None,
            prefix: Path::default(),
            directory: Some(directory.to_owned()),
            put_headers: &[],
            room: Semaphore::new(ROOM.0),
            piece: CHUNK,
            spare: Mutex::default(),
        })
    }

    fn signing<S: ObjectStore + Signer>(store: Arc<S>, prefix: Path, put_headers: Headers) -> Self {
        let (signer, room) = (Some(Arc::clone(&store) as _), Semaphore::new(ROOM.1));
        Self { store, signer, prefix, directory: None, put_headers, room, piece: PIECE, spare: Mutex::default() }
    }

    /// Keeps a file that came in.
    pub async fn put_file(&self, blob: BlobId, file: File, manner: &Manner) -> Result<()> {
        let piece = self.piece.min(file.metadata().map_err(trouble)?.len() as usize);
        let _room = self.room.acquire_many(piece as u32).await.context("the semaphore never closes")?;
        let mut pieces = Pieces { file, size: piece, memory: take(&mut *self.spare()) };
        let putting = self.put_pieces(&mut pieces, &self.name(blob, Rendition::Original), manner).await;
        // Nobody holds any of it now, unless something went wrong.
        if pieces.memory.try_reclaim(self.piece) {
            *self.spare() = pieces.memory;
        }
        putting
    }

    /// Keeps bytes that were made here.
    pub async fn put_bytes(&self, blob: BlobId, rendition: Rendition, bytes: Bytes, manner: &Manner) -> Result<()> {
        let options = PutOptions { attributes: self.attributes(manner), ..PutOptions::default() };
        let name = self.name(blob, rendition);
        self.store.put_opts(&name, bytes.into(), options).await.map_err(|error| refused(&error))?;
        Ok(())
    }

    /// How many bytes a file has; nothing where it is not there.
    pub async fn size(&self, blob: BlobId, rendition: Rendition) -> Result<Option<u64>> {
        match self.store.head(&self.name(blob, rendition)).await {
            Ok(found) => Ok(Some(found.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(refused(&error)),
        }
    }

    /// Reads some bytes of a file, or all; nothing where it is not there.
    pub async fn get(&self, blob: BlobId, rendition: Rendition, range: Option<Range<u64>>) -> Result<Option<Reading>> {
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        match self.store.get_opts(&self.name(blob, rendition), options).await {
            Ok(got) => Ok(Some(Reading {
                size: got.meta.size,
                range: got.range.clone(),
                bytes: got.into_stream().map_err(io::Error::other).boxed(),
            })),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(refused(&error)),
        }
    }

    /// A URL by which the store itself serves a file for a while, where it can.
    pub async fn signed_url(
        &self,
        blob: BlobId,
        rendition: Rendition,
        manner: &Manner,
        lifetime: Duration,
    ) -> Result<Option<String>> {
        let Some(signer) = &self.signer else { return Ok(None) };
        let name = self.name(blob, rendition);
        let shown = SignedUrlOptions::default().with_query([
            ("response-content-type", manner.content_type.as_str()),
            ("response-content-disposition", manner.disposition.as_str()),
        ]);
        let signed = match signer.signed_url_opts(Method::GET, &name, lifetime, &shown).await {
            // What it was told when the file came in will do.
            Err(object_store::Error::NotSupported { .. }) => signer.signed_url(Method::GET, &name, lifetime).await,
            signed => signed,
        };
        Ok(Some(signed.map_err(|error| refused(&error))?.into()))
    }

    /// Whether clients can go to the store by themselves.
    pub fn signs(&self) -> bool {
        self.signer.is_some()
    }

    /// How a client puts a file into the store by itself, for a while, where it can.
    pub async fn signed_put(&self, blob: BlobId, lifetime: Duration) -> Result<Option<Put>> {
        let Some(signer) = &self.signer else { return Ok(None) };
        let name = self.name(blob, Rendition::Original);
        let url = signer.signed_url(Method::PUT, &name, lifetime).await.map_err(|error| refused(&error))?;
        Ok(Some(Put { url: url.into(), headers: self.put_headers }))
    }

    /// Removes all that is kept for a blob.
    pub async fn remove(&self, blob: BlobId) -> Result<()> {
        let names = self.store.list(Some(&self.directory(blob))).map_ok(|found| found.location).boxed();
        self.store
            .delete_stream(names)
            .filter(|removed| future::ready(!matches!(removed, Err(object_store::Error::NotFound { .. }))))
            .try_for_each(|_| future::ok(()))
            .await
            .map_err(|error| refused(&error))?;
        match &self.directory {
            Some(directory) => sweep(&directory.join(blob.to_string())).await,
            None => Ok(()),
        }
    }

    /// Everything in the store, one after the other.
    pub fn list(&self) -> BoxStream<'static, Result<Found>> {
        let depth = self.prefix.parts().count();
        let found = move |object: ObjectMeta| Found {
            blob: object.location.parts().nth(depth).and_then(|part| part.as_ref().parse().ok()),
            place: object.location,
        };
        self.store.list(Some(&self.prefix)).map_ok(found).map_err(|error| refused(&error)).boxed()
    }

    /// Whether something that was found is still there.
    pub async fn has(&self, found: &Found) -> Result<bool> {
        match self.store.head(&found.place).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(refused(&error)),
        }
    }

    /// Removes something that was found.
    pub async fn remove_found(&self, found: &Found) -> Result<()> {
        match self.store.delete(&found.place).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(refused(&error)),
        }
    }

    /// Puts a file at once, or piece by piece, each as large as the first, so that no more of it is in memory.
    async fn put_pieces(&self, pieces: &mut Pieces, name: &Path, manner: &Manner) -> Result<()> {
        let (attributes, first) = (self.attributes(manner), pieces.next().await?);
        if first.len() < self.piece {
            let options = PutOptions { attributes, ..PutOptions::default() };
            self.store.put_opts(name, first.into(), options).await.map_err(|error| refused(&error))?;
            return Ok(());
        }
        let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
        let mut upload = self.store.put_multipart_opts(name, options).await.map_err(|error| refused(&error))?;
        let putting = put_parts(upload.as_mut(), first, pieces).await;
        if putting.is_err() {
            // Else a store elsewhere keeps what it has, and nobody knows.
            upload.abort().await.ok();
        }
        putting
    }

    /// What the store is told of how a file is shown: whoever signs also serves, and must know.
    fn attributes(&self, manner: &Manner) -> Attributes {
        if self.signer.is_some() { manner.attributes() } else { Attributes::default() }
    }

    fn spare(&self) -> MutexGuard<'_, BytesMut> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn directory(&self, blob: BlobId) -> Path {
        self.prefix.clone().join(blob.to_string())
    }

    fn name(&self, blob: BlobId, rendition: Rendition) -> Path {
        self.directory(blob).join(rendition.name())
    }
}

impl Manner {
    /// That of bytes which nobody is shown.
    pub fn of_parts() -> Self {
        Self { content_type: "application/octet-stream".to_owned(), disposition: "attachment".to_owned() }
    }

    fn attributes(&self) -> Attributes {
        Attributes::from_iter([
            (Attribute::ContentType, self.content_type.clone()),
            (Attribute::ContentDisposition, self.disposition.clone()),
        ])
    }
}

impl Pieces {
    /// The next bytes: so many, if there are, where those before were, once nobody holds them.
    async fn next(&mut self) -> Result<Bytes> {
        let (file, size) = (self.file.try_clone().map_err(trouble)?, self.size);
        let mut memory = take(&mut self.memory);
        let reading = task::spawn_blocking(move || {
            memory.reserve(size);
            io::copy(&mut file.take(size as u64), &mut (&mut memory).writer())?;
            Ok(memory)
        });
        self.memory = reading.await.context("reading a file was cut short")?.map_err(trouble)?;
        Ok(self.memory.split().freeze())
    }
}

async fn put_parts(upload: &mut dyn MultipartUpload, first: Bytes, pieces: &mut Pieces) -> Result<()> {
    let mut piece = first;
    while !piece.is_empty() {
        upload.put_part(piece.into()).await.map_err(|error| refused(&error))?;
        piece = pieces.next().await?;
    }
    upload.complete().await.map_err(|error| refused(&error))?;
    Ok(())
}

/// Removes what is left of a blob's directory: a process that dies while it writes leaves half a file, which is listed nowhere.
async fn sweep(directory: &FilePath) -> Result<()> {
    match fs::remove_dir_all(directory).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(trouble(error)),
        _ => Ok(()),
    }
}

/// A builder that is told what the query of a URL says.
fn configured<B, K: FromStr<Err = object_store::Error>>(
    builder: B,
    options: Vec<(String, String)>,
    tell: impl Fn(B, K, String) -> B,
) -> anyhow::Result<B> {
    options.into_iter().try_fold(builder, |builder, (key, value)| {
        let key = key.parse().with_context(|| format!("the storage URL has an option that is not known: {key}"))?;
        Ok(tell(builder, key, value))
    })
}

/// What the store's refusal means to who waits.
fn refused(error: &(dyn std::error::Error + 'static)) -> Error {
    let mut cause = Some(error);
    while let Some(source) = cause {
        if source.downcast_ref::<io::Error>().is_some_and(is_full) {
            return Error::StorageFull;
        }
        cause = source.source();
    }
    tracing::warn!(%error, "The store of files refused: {error}");
    Error::Unavailable("The store of files is away; try again soon.")
}
